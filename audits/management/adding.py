"""What the commands that add people have in common: what may be chosen, and the audit that verifies it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from django.core.management.base import CommandError

from audits.additions.report import try_to_store_reports
from audits.latest import speaking_runs
from audits.management.verifying import VerifyingCommand
from audits.models import AuditRun, RunState
from audits.remediation import invitations
from audits.remediation.invitations import people_not_added, plan_invitations
from audits.remediation.people import UnknownPerson, employees_named
from audits.remediation.verification import before_and_after, verification_of
from members.management.base import ExitCode
from members.management.writing import SHOWN
from members.models import Category, Employee
from members.operations.models import Operation
from members.operations.plan import Plan
from members.operations.states import FINISHED
from members.platforms.types import Platform
from members.policy import bare_username
from members.spreadsheet import one_line

_LATEST = 0
_LOOKED_AT = 20
"""How many operations are looked through for the latest with somebody to send a link."""


class AddingCommand(VerifyingCommand):
    """A command that adds people, and then lets an audit tell what came of it."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--platform", choices=[*map(str, Platform), "all"], default="all")
        parser.add_argument("--category", metavar="KEY", help="Only in the groups of this category.")
        super().add_arguments(parser)
        parser.add_argument(
            "--invite-links",
            type=int,
            nargs="?",
            const=_LATEST,
            metavar="N",
            help="Instead of adding anybody, send invite links to whom operation N, or the latest, could "
            "not add because of their privacy settings.",
        )

    def plan_additions(self, options: dict[str, Any]) -> Plan:
        """The plan of additions for what the command line asks for. Raises CommandError."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["invite_links"]
        if number is not None:
            self.parent = _chosen_operation(number, self.kind)
            self.kind = invitations.KIND
        super().handle(*args, **options)

    def plan(self, options: dict[str, Any]) -> Plan:
        return self.plan_additions(options) if self.parent is None else plan_invitations(self.parent)

    def follow_up(self, operation: Operation) -> ExitCode:
        """Run the audit that verifies it, and print how complete the groups were before and are after."""
        self._offer_links(operation)
        run = verification_of(operation.pk)
        try:
            return ExitCode.DONE if run is None else self._verify(operation, run)
        except KeyboardInterrupt:
            self.stderr.write(
                "The additions are done; the audit that verifies them was interrupted: run manage.py audit."
            )
            try_to_store_reports(operation)  # nobody will verify it: the report has to say so
            raise

    def _offer_links(self, operation: Operation) -> None:
        if count := people_not_added(operation):
            people = "1 person" if count == 1 else f"{count} people"
            command = f"manage.py {type(self).__module__.rpartition('.')[-1]} --invite-links {operation.pk}"
            self.stdout.write(
                f"{people} may still join by an invite link: {command} shows the messages, --yes sends them."
            )

    def _verify(self, operation: Operation, run: AuditRun) -> ExitCode:
        run = self.run_audit(run)
        if run.state != RunState.COMPLETE:
            self.stdout.write(f"Verification: {run} is {run.get_state_display().lower()}.")
            for line in run.message.splitlines():
                self.stdout.write(f"! {one_line(line)}")
        operation.refresh_from_db()
        states = before_and_after(operation)
        seen = [state for state in states if state.after]
        if seen:
            self._print_states(run, operation)
        return ExitCode.DONE if len(seen) == len(states) else ExitCode.PARTLY_DONE

    def _print_states(self, run: AuditRun, operation: Operation) -> None:
        states = before_and_after(operation)
        before = sum(state.complete_before for state in states)
        after = sum(state.complete_after for state in states)
        groups = "1 group" if len(states) == 1 else f"{len(states)} groups"
        self.stdout.write(f"Verification: {run}: of {groups} {before} complete before, {after} after")
        for state in states[:SHOWN]:
            label = f"{state.platform.label:<8}  {one_line(state.name)}"
            self.stdout.write(f"  {label}: {state.before or 'unknown'} → {state.after or 'not seen'}")
        if len(states) > SHOWN:
            self.stdout.write(f"  … and {len(states) - SHOWN} more, in the report")


def _chosen_operation(number: int, kind: str) -> Operation:
    """The operation, or the latest of this kind, whose failures links may mend. Raises CommandError."""
    ended = Operation.objects.filter(state__in=FINISHED).order_by("-pk")
    chosen = ended.filter(kind=kind)[:_LOOKED_AT] if number == _LATEST else ended.filter(pk=number)
    for operation in chosen:
        if people_not_added(operation):
            return operation
    which = "the latest operations" if number == _LATEST else f"operation {number}"
    raise CommandError(
        f"Nobody to send a link to: no privacy settings kept {which} from adding anybody.",
        returncode=ExitCode.USAGE,
    )


def chosen_platforms(option: str) -> tuple[Platform, ...]:
    """The platforms of `--platform`. Raises CommandError when none of them was ever audited."""
    platforms = tuple(Platform) if option == "all" else (Platform(option),)
    if not set(platforms) & set(speaking_runs()):
        names = " or ".join(platform.label for platform in platforms)
        raise CommandError(
            f"No audit of {names} is recorded yet, so nobody knows who is missing where: "
            "run manage.py audit first.",
            returncode=ExitCode.NOT_CONFIGURED,
        )
    return platforms


def chosen_category(key: str | None) -> str:
    """The key of `--category`, or "". Raises CommandError for one that is not there."""
    return "" if key is None else chosen_key(key, Category.objects.values_list("key", flat=True), "category")


def chosen_key(key: str, known: Iterable[str], what: str) -> str:
    """`key`, if it is one of the `known`. Raises CommandError."""
    keys = list(known)
    if key not in keys:
        hint = near(key, keys) or f" There are: {', '.join(keys) or 'none'}."
        raise CommandError(f"There is no {what} {key!r}.{hint}", returncode=ExitCode.USAGE)
    return key


def chosen_employees(words: Iterable[str]) -> tuple[str, ...]:
    """The keys of the employees whom the words mean, each once. Raises CommandError."""
    keys: list[str] = []
    for word in words:
        try:
            keys += employees_named([word])
        except UnknownPerson as error:
            hint = near(word, _names_of_employees())
            raise CommandError(f"{one_line(str(error))}{hint}", returncode=ExitCode.USAGE) from error
    return tuple(dict.fromkeys(keys))


def near(word: str, known: Iterable[str]) -> str:
    """A question that names what is spelt nearly like `word`; "" when nothing is."""
    folded = {each.casefold(): each for each in known if each}
    found = [folded[each] for each in get_close_matches(bare_username(word).casefold(), folded, n=3)]
    return f" Did you mean {' or '.join(map(one_line, found))}?" if found else ""


def _names_of_employees() -> list[str]:
    rows = Employee.objects.values_list("key", "slack_username", "telegram_username", "email")
    return [name for row in rows for name in row]
