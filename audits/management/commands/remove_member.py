"""Take people out of their groups: somebody has left, or must not be there."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audits.management.adding import near
from audits.management.verifying import VerifyingCommand
from audits.models import RunState
from audits.remediation.verification import verification_of
from members.management.base import ExitCode
from members.management.group_names import group_names_in
from members.models import Group
from members.operations.models import Operation
from members.operations.plan import Plan, Skipped
from members.platforms.types import Platform
from members.spreadsheet import one_line
from telegram_ops.find import AT_LEISURE, PersonUnclear
from telegram_ops.removal_plans import KIND, RemovalSelection, Way, WhyNot, names_left_out
from telegram_ops.removals import plan_removal

TURN_PATIENCE = 30.0
"""Seconds to wait for the Telegram account, before what the last audit saw has to do."""


class Command(VerifyingCommand):
    help = "Take people out of all their groups, or of some. Only plans, unless --yes is given."
    kind = KIND

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "user",
            metavar="USER",
            nargs="+",
            help="A username, a t.me link, a numeric id, or an employee's key, name or e-mail.",
        )
        parser.add_argument(
            "--ban",
            action="store_true",
            help="Keep them out of Telegram's supergroups; elsewhere they are removed and may come back.",
        )
        parser.add_argument(
            "--groups",
            metavar="FILE",
            type=Path,
            help="Only from the groups of FILE: ids or names, a line each.",
        )
        parser.add_argument(
            "--platform",
            choices=[*map(str, Platform), "all"],
            default=str(Platform.TELEGRAM),
            help="Where (Telegram): a deactivated Slack account leaves its channels by itself.",
        )
        parser.add_argument(
            "--include-admins",
            action="store_true",
            help="Also where they are admins, and our account may remove admins.",
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self._left_out: tuple[Skipped, ...] = ()
        super().handle(*args, **options)
        if self._left_out and options["yes"]:
            names = ", ".join(one_line(repr(line.target.group_name)) for line in self._left_out)
            raise CommandError(
                f"Left out, because no one group is meant: {names}. The lines above say more.",
                returncode=ExitCode.PARTLY_DONE,
            )

    def plan(self, options: dict[str, Any]) -> Plan:
        platform = options["platform"]
        selection = RemovalSelection(
            people=tuple(options["user"]),
            platforms=tuple(Platform) if platform == "all" else (Platform(platform),),
            way=Way.BAN if options["ban"] else Way.REMOVE,
            include_admins=options["include_admins"],
            names=group_names_in(options["groups"]),
        )
        try:
            plan = plan_removal(selection, seconds=AT_LEISURE, turn_patience=TURN_PATIENCE)
        except PersonUnclear as error:
            raise CommandError(one_line(str(error)), returncode=ExitCode.USAGE) from error
        self._left_out = names_left_out(plan)
        if self._left_out and len(self._left_out) == len(selection.names):
            raise CommandError("\n".join(map(_complaint, self._left_out)), returncode=ExitCode.USAGE)
        unread = [line for line in plan.skipped if line.code == WhyNot.UNREAD and not line.target.group_id]
        if unread and not plan.steps:
            reasons = dict.fromkeys(one_line(line.reason) for line in unread)
            raise CommandError("\n".join(reasons), returncode=ExitCode.NOT_CONFIGURED)
        return plan

    def follow_up(self, operation: Operation) -> ExitCode:
        """Run the audit that ends the findings about them."""
        run = verification_of(operation.pk)
        if run is None:
            return ExitCode.DONE
        try:
            run = self.run_audit(run)
        except KeyboardInterrupt:
            self.stderr.write(
                "The removals are done; the audit that looks again was interrupted: run manage.py audit."
            )
            raise
        self.stdout.write(f"Verification: {run} is {run.get_state_display().lower()}")
        for line in run.message.splitlines():
            self.stdout.write(f"! {one_line(line)}")
        seen = run.state in (RunState.COMPLETE, RunState.PARTIAL)
        return ExitCode.DONE if seen else ExitCode.PARTLY_DONE


def _complaint(line: Skipped) -> str:
    hint = near(line.target.group_name, Group.objects.values_list("name", flat=True))
    return f"{one_line(repr(line.target.group_name))}: {one_line(line.reason)}{hint}"
