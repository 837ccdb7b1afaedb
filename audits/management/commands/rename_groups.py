"""Rename many groups: by a pattern, by a mapping, or by the policy's naming rules."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audits.lifecycle import State
from audits.management.adding import chosen_category, near
from audits.management.verifying import VerifyingCommand
from audits.models import Finding
from members.management.base import ExitCode
from members.management.group_names import group_names_in
from members.models import Group
from members.operations.plan import Plan, Skipped
from members.patterns import PatternTrouble
from members.platforms.types import Platform
from members.policy import FindingKind
from members.spreadsheet import one_line
from telegram_ops.rename_plans import KIND
from telegram_ops.rename_selections import MappingTrouble, RenameSelection, Way, read_mapping
from telegram_ops.renames import plan_renames, words_left_out


class Command(VerifyingCommand):
    help = "Rename many groups, on Telegram and on Slack. Only plans, unless --yes is given."
    kind = KIND
    done = "The groups are renamed"

    def add_arguments(self, parser: ArgumentParser) -> None:
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument(
            "--pattern", metavar="P", help="The part of the names to replace; case never matters."
        )
        way.add_argument("--mapping", metavar="FILE", type=Path, help='JSON: {"title or id": "new name", …}.')
        way.add_argument(
            "--naming-rules", action="store_true", help="What the rules under Policy › Naming rules say."
        )
        parser.add_argument("--replace", metavar="R", help="What stands in place of the pattern.")
        parser.add_argument(
            "--regex", action="store_true", help=r"The pattern is a regular expression; R may hold \1."
        )
        parser.add_argument("--platform", choices=[*map(str, Platform), "all"], default="all")
        parser.add_argument(
            "--groups", metavar="FILE", type=Path, help="Only the groups of FILE: id or name, one a line."
        )
        parser.add_argument("--category", metavar="KEY", help="Only the groups of this category.")
        super().add_arguments(parser)

    def plan(self, options: dict[str, Any]) -> Plan:
        if not Group.objects.exists():
            raise CommandError(
                "No audit has seen a group yet: run manage.py audit first.",
                returncode=ExitCode.NOT_CONFIGURED,
            )
        platform = options["platform"]
        try:
            selection = RenameSelection(
                **_way(options),
                platforms=() if platform == "all" else (Platform(platform),),
                names=group_names_in(options["groups"]),
                category=chosen_category(options["category"]),
            )
            plan = plan_renames(selection)
        except (PatternTrouble, MappingTrouble) as error:
            raise CommandError(one_line(str(error)), returncode=ExitCode.USAGE) from error
        self.left_out = words_left_out(plan)
        if self.left_out and len(self.left_out) == len(selection.names or selection.mapping):
            raise CommandError("\n".join(map(_complaint, self.left_out)), returncode=ExitCode.USAGE)
        return plan

    def left_to_do(self) -> str:
        left = Finding.objects.filter(kind=FindingKind.DEPRECATED_NAME, state=State.OPEN).count()
        return f"; deprecated names still open: {left}"


def _way(options: dict[str, Any]) -> dict[str, Any]:
    """Where the new names come from. Raises CommandError and MappingTrouble."""
    if options["pattern"] is not None:
        if options["replace"] is None:
            raise CommandError("Say --replace too, if only --replace ''.", returncode=ExitCode.USAGE)
        way = Way.REGEX if options["regex"] else Way.TEXT
        return {"way": way, "pattern": options["pattern"], "replacement": options["replace"]}
    if options["replace"] is not None or options["regex"]:
        raise CommandError("--replace and --regex go with --pattern.", returncode=ExitCode.USAGE)
    if options["mapping"] is not None:
        return {"way": Way.MAPPING, "mapping": read_mapping(_read(options["mapping"]))}
    return {"way": Way.RULES}


def _read(path: Path) -> bytes:
    """Raises CommandError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.", returncode=ExitCode.USAGE) from error


def _complaint(line: Skipped) -> str:
    hint = near(line.target.group_name, Group.objects.filter(in_scope=True).values_list("name", flat=True))
    return f"{one_line(repr(line.target.group_name))}: {one_line(line.reason)}{hint}"
