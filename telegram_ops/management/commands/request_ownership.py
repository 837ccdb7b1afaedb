"""Ask those who run our groups for them: one message to each person, with all their groups."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from members.management.base import ExitCode, output_file, write_whole
from members.management.group_names import group_names_in
from members.management.progress import ProgressLine
from members.management.writing import WriterCommand
from members.models import Group
from members.operations.models import Operation, Step
from members.operations.plan import Plan, Skipped
from members.operations.services import OperationRefused, skipped_of
from members.platforms.errors import AccountTrouble, PlatformError, RateLimited
from members.platforms.types import Platform
from members.spreadsheet import one_line
from telegram_ops.administrators import read_administrators
from telegram_ops.ownership import left_to_read, plan_requests, words_left_out
from telegram_ops.ownership_files import write_workbook
from telegram_ops.ownership_plans import KIND, OwnershipSelection

SLICE = 5.0
"""Seconds of reading after which the progress is shown, and the account is offered to others."""
TURN_PATIENCE = 30.0
LONGEST_PAUSE = 120.0
"""The longest pause that Telegram may ask for and that is waited for here, in seconds."""


class Command(WriterCommand):
    help = "Ask the owners of Telegram groups for them. Only plans, unless --yes is given."
    kind = KIND

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("group", metavar="GROUP", nargs="*", help="A group's name or id.")
        parser.add_argument("--groups", metavar="FILE", type=Path, help="The groups of FILE, a line each.")
        parser.add_argument(
            "--all", action="store_true", help="Every group in scope where our account is no admin."
        )
        parser.add_argument("--template", metavar="KEY", default="", help="Which text: transfer, admin, …")
        parser.add_argument(
            "--remind", action="store_true", help="Write again to those who were asked long enough ago."
        )
        parser.add_argument(
            "--print", action="store_true", help="Print the messages alone, to send them by hand."
        )
        parser.add_argument(
            "--xlsx", metavar="FILE", type=output_file, help="Write messages and groups as a workbook."
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["print"] and options["yes"]:
            raise CommandError("--print sends nothing: leave --yes out.", returncode=ExitCode.USAGE)
        self._only_texts = options["print"]
        super().handle(*args, **options)

    def plan(self, options: dict[str, Any]) -> Plan:
        if not Group.objects.filter(platform=Platform.TELEGRAM).exists():
            raise CommandError(
                "No audit has seen a Telegram group yet: run manage.py audit first.",
                returncode=ExitCode.NOT_CONFIGURED,
            )
        selection = OwnershipSelection(
            names=_names(options), template=options["template"], remind=options["remind"]
        )
        trouble = self._read(selection)
        try:
            plan = plan_requests(selection)
        except OperationRefused as error:
            raise CommandError(one_line(str(error)), returncode=ExitCode.USAGE) from error
        self.left_out = words_left_out(plan)
        if self.left_out and len(self.left_out) == len(selection.names):
            lines = (f"{one_line(repr(line.target.group_name))}: {line.reason}" for line in self.left_out)
            raise CommandError("\n".join(lines), returncode=ExitCode.USAGE)
        if isinstance(trouble, AccountTrouble) and not plan.steps:
            raise CommandError(one_line(str(trouble)), returncode=ExitCode.NOT_CONFIGURED)
        self.unread = one_line(str(trouble)) if trouble is not None else ""
        return plan

    def _read(self, selection: OwnershipSelection) -> PlatformError | None:
        """Read who runs the groups, slice by slice, and return what kept us from reading them all.

        What was read is kept, whatever happens here.
        """
        groups = left_to_read(selection)
        with ProgressLine(self) as line:
            left = len(groups)
            while left:
                done = len(groups) - left
                line.show(f"Who runs the groups: {done} of {len(groups)}", 100 * done // len(groups))
                reading = read_administrators(groups, seconds=SLICE, turn_patience=TURN_PATIENCE)
                if isinstance(reading.error, RateLimited) and reading.error.seconds <= LONGEST_PAUSE:
                    line.note(f"Telegram asks for a pause of {reading.error.seconds:.0f} s")
                    time.sleep(reading.error.seconds)
                elif reading.error is not None or reading.left == left:
                    return reading.error  # the plan says of which groups
                left = reading.left
        return None

    def _print_plan(self, operation: Operation) -> None:
        if not self._only_texts:
            super()._print_plan(operation)
            return
        for step in operation.steps.order_by("position"):
            username = f" @{step.arguments['username']}" if step.arguments["username"] else ""
            self.stdout.write(f"--- {one_line(step.subject_name)}{username} ({step.user_id})")
            self.stdout.write(step.arguments["text"] + "\n")
        self._print_skipped(skipped_of(operation))

    def print_nothing_to_do(self, plan: Plan, options: dict[str, Any]) -> None:
        super().print_nothing_to_do(plan, options)
        self._write_workbook(options["xlsx"], (), plan.skipped)

    def _write_document(self, operation: Operation, options: dict[str, Any]) -> None:
        super()._write_document(operation, options)
        steps = operation.steps.order_by("position")
        self._write_workbook(options["xlsx"], steps, skipped_of(operation))

    def _write_workbook(self, file: Path | None, steps: Iterable[Step], left_out: Sequence[Skipped]) -> None:
        if file is not None:
            write_whole(file, lambda path: write_workbook(path, list(steps), left_out))
            self.stdout.write(str(file))


def _names(options: dict[str, Any]) -> tuple[str, ...]:
    """The groups that are meant; none where all are. Raises CommandError."""
    ways = [bool(options["group"]), options["groups"] is not None, options["all"]]
    if sum(ways) != 1:
        raise CommandError("Name groups, or a file with --groups, or say --all.", returncode=ExitCode.USAGE)
    if options["groups"] is None:
        return tuple(options["group"])
    return group_names_in(options["groups"])
