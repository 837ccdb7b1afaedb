"""Add the members that the latest audits found missing: all of them, or some."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection, Iterable
from typing import Any

from django.core.management.base import CommandError

from audits.latest import recorded_runs
from audits.management.adding import (
    AddingCommand,
    chosen_category,
    chosen_employees,
    chosen_platforms,
    near,
)
from audits.remediation.missing import KIND, plan_missing
from audits.remediation.selections import GroupKey, MissingSelection
from members.management.base import ExitCode
from members.models import Group
from members.operations.plan import Plan
from members.platforms.types import Platform
from members.spreadsheet import one_line


class Command(AddingCommand):
    help = "Add whoever the latest audits found missing. Only plans, unless --yes is given."
    kind = KIND

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--employee",
            metavar="WHO",
            action="extend",
            nargs="+",
            default=[],
            help="Only these: the key, the username on either platform, or the e-mail of an employee.",
        )
        parser.add_argument(
            "--group",
            metavar="GROUP",
            action="extend",
            nargs="+",
            default=[],
            help="Only in these groups: id or name.",
        )
        parser.add_argument("--run", type=int, metavar="N", help="Only whom audit N found missing.")

    def plan_additions(self, options: dict[str, Any]) -> Plan:
        platforms = chosen_platforms(options["platform"])
        selection = MissingSelection(
            platforms=platforms,
            run=_chosen_run(options["run"]),
            groups=_chosen_groups(options["group"], platforms),
            category=chosen_category(options["category"]),
            employees=chosen_employees(options["employee"]),
        )
        return plan_missing(selection)


def _chosen_run(number: int | None) -> int | None:
    """Raises CommandError for an audit that recorded nothing."""
    if number is not None and not recorded_runs().filter(pk=number).exists():
        raise CommandError(
            f"There is no audit {number} that recorded anything: see Audit runs in the admin.",
            returncode=ExitCode.USAGE,
        )
    return number


def _chosen_groups(words: Iterable[str], platforms: Collection[Platform]) -> tuple[GroupKey, ...]:
    """The groups of which the words are the id or the name. Raises CommandError."""
    return tuple(dict.fromkeys(_chosen_group(word, platforms) for word in words))


def _chosen_group(word: str, platforms: Collection[Platform]) -> GroupKey:
    groups = Group.objects.filter(platform__in=platforms)
    name = word.strip().removeprefix("#")
    found = list(groups.filter(external_id=word) or groups.filter(name__iexact=name))
    if len(found) == 1:
        return Platform(found[0].platform), found[0].external_id
    if found:
        ids = ", ".join(f"{Platform(group.platform).label} {group.external_id}" for group in found)
        trouble = f"{len(found)} groups are called {one_line(word)!r}: write the id ({ids})."
    else:
        hint = near(name, groups.filter(in_scope=True).values_list("name", flat=True))
        trouble = f"No audit has seen a group {one_line(word)!r}.{hint}"
    raise CommandError(trouble, returncode=ExitCode.USAGE)
