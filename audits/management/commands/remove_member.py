"""Take people out of their groups: somebody has left, or must not be there."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audits.management.adding import near
from audits.management.verifying import VerifyingCommand
from members.management.base import ExitCode
from members.management.group_names import group_names_in
from members.models import Group
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
    done = "The removals are done"

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
            default="all",
            help="Where: on both, unless one is named.",
        )
        parser.add_argument(
            "--include-admins",
            action="store_true",
            help="Also where they are admins, and our account may remove admins.",
        )
        super().add_arguments(parser)

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
            code = ExitCode.NOT_CONFIGURED if error.account_trouble else ExitCode.USAGE
            raise CommandError(one_line(str(error)), returncode=code) from error
        self.left_out = names_left_out(plan)
        if self.left_out and len(self.left_out) == len(selection.names):
            raise CommandError("\n".join(map(_complaint, self.left_out)), returncode=ExitCode.USAGE)
        unread = _reasons(plan, WhyNot.UNREAD)
        if not plan.steps and (unread or (unread := _reasons(plan, WhyNot.NO_ACCOUNT))):
            raise CommandError("\n".join(unread), returncode=ExitCode.NOT_CONFIGURED)
        self.unread = " ".join(unread)
        return plan


def _reasons(plan: Plan, code: WhyNot) -> list[str]:
    """Why somebody is left out on a whole platform, each reason once."""
    lines = (line for line in plan.skipped if line.code == code and not line.target.group_id)
    return list(dict.fromkeys(one_line(line.reason) for line in lines))


def _complaint(line: Skipped) -> str:
    hint = near(line.target.group_name, Group.objects.values_list("name", flat=True))
    return f"{one_line(repr(line.target.group_name))}: {one_line(line.reason)}{hint}"
