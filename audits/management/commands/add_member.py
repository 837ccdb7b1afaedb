"""Add people, or teams, to all the groups in scope, or to some of them: somebody has joined."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audits.management.adding import (
    AddingCommand,
    chosen_category,
    chosen_employees,
    chosen_key,
    chosen_platforms,
    near,
)
from audits.remediation.draft import ALREADY_THERE
from audits.remediation.people import KIND, names_left_out, plan_people
from audits.remediation.selections import PeopleSelection, Where
from members.management.base import ExitCode
from members.management.group_names import group_names_in
from members.models import Group, Team
from members.operations.plan import Plan, Skipped
from members.platforms.types import Platform
from members.spreadsheet import one_line


class Command(AddingCommand):
    help = "Add people to the groups in scope where they belong. Only plans, unless --yes is given."
    kind = KIND

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "user",
            metavar="USER",
            nargs="*",
            help="The key, the username on either platform, or the e-mail of an employee.",
        )
        super().add_arguments(parser)
        parser.add_argument(
            "--team", metavar="KEY", action="append", default=[], help="Everybody in this team."
        )
        parser.add_argument(
            "--groups", metavar="FILE", type=Path, help="Only in the groups of FILE: id or name, one a line."
        )
        parser.add_argument(
            "--where",
            choices=list(map(str, Where)),
            help="Where the rules require them (the default), also where they are optional, or in all the "
            "groups (the default with --groups).",
        )

    def plan_additions(self, options: dict[str, Any]) -> Plan:
        if not options["user"] and not options["team"]:
            raise CommandError("Say whom to add: USER, or --team KEY.", returncode=ExitCode.USAGE)
        teams = list(Team.objects.values_list("key", flat=True))
        usual = Where.REQUIRED if options["groups"] is None else Where.ALL
        selection = PeopleSelection(
            employees=chosen_employees(options["user"]),
            teams=tuple(chosen_key(key, teams, "team") for key in options["team"]),
            platforms=chosen_platforms(options["platform"]),
            names=group_names_in(options["groups"]),
            category=chosen_category(options["category"]),
            where=Where(options["where"] or usual),
        )
        plan = plan_people(selection)
        self.left_out = names_left_out(plan)
        if self.left_out and len(self.left_out) == len(selection.names):
            complaints = (_complaint(line, selection.platforms) for line in self.left_out)
            raise CommandError("\n".join(complaints), returncode=ExitCode.USAGE)
        _check_somebody_can_be_added(plan)
        return plan


def _complaint(line: Skipped, platforms: Collection[Platform]) -> str:
    known = Group.objects.filter(platform__in=platforms, in_scope=True).values_list("name", flat=True)
    name = line.target.group_name
    return f"{one_line(repr(name))}: {one_line(line.reason)}{near(name, known)}"


def _check_somebody_can_be_added(plan: Plan) -> None:
    """Nothing to do is fine where everybody is everywhere. Where nobody can be added, it is not."""
    unable = [line for line in plan.skipped if line.target.subject and not line.target.group_id]
    if plan.steps or not unable or any(line.reason == ALREADY_THERE for line in plan.skipped):
        return
    reasons = dict.fromkeys(one_line(line.reason) for line in unable)
    raise CommandError("\n".join(reasons), returncode=ExitCode.NOT_CONFIGURED)
