"""Taking people out of groups: plan, check again, undo. The kinds are registered by `audits.remediation`,
where an audit verifies what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings

from members.models import Employee, Group
from members.operations.account_connection import AccountConnection
from members.operations.connections import account_on
from members.operations.kinds import Connection
from members.operations.membership import ADD, REMOVE, MembershipExecutor
from members.operations.plan import Cap, Plan, PlannedStep, Target, Unit
from members.operations.services import OperationRefused
from members.platforms.types import Platform
from members.policy import EmployeeStatus
from members.services import usernames_by_id
from telegram_ops.find import IN_A_PAGE, TURN_PATIENCE, Depth, PersonUnclear, find_people
from telegram_ops.removal_plans import BAN, KIND, UNBAN, KnownGroup, RemovalSelection, draw_up
from telegram_ops.removing import HAD_LEFT, RemovalExecutor

LET_BACK_KIND = "let_back"

AGAIN = "again"
"""The argument of a step that takes back what took back a removal."""


def plan_removal(
    selection: RemovalSelection, *, seconds: float = IN_A_PAGE, turn_patience: float = TURN_PATIENCE
) -> Plan:
    """Look where the people are now, and plan to take them out of it: in seconds, however many groups.

    `skipped` says of every group that stays why, with a `WhyNot`. Raises PersonUnclear also when it may be
    somebody else by now who is called so, or when nobody was found.
    """
    found = find_people(
        selection.people,
        platforms=selection.platforms,
        depth=Depth.WHERE_WE_ACT,
        seconds=seconds,
        turn_patience=turn_patience,
    )
    for person in found:
        if person.doubt:
            raise PersonUnclear(person.doubt)
        if person.sought.person is None and not person.somewhere:
            troubles = " ".join(dict.fromkeys(look.trouble for look in person.looks if look.trouble))
            raise PersonUnclear(
                troubles or f"Nobody was found for {person.sought.text!r}.",
                account_trouble=any(look.account_trouble for look in person.looks),
            )
    known = Group.objects.filter(platform__in=selection.platforms).values_list(
        "platform", "external_id", "name"
    )
    return draw_up(
        selection,
        found,
        [KnownGroup(Platform(platform), group_id, name) for platform, group_id, name in known],
        reach=max(len(found), Employee.objects.count()),
    )


def plan_removal_again(parameters: Mapping[str, Any]) -> Plan:
    """The same for the parameters of an operation. Raises OperationRefused."""
    if "targets" in parameters:  # it took back what had been taken back
        return _take_out_again([_target(values) for values in parameters["targets"]])
    try:
        return plan_removal(RemovalSelection.from_parameters(parameters))
    except PersonUnclear as error:
        raise OperationRefused(str(error)) from None


def undo_removal(done: Sequence[PlannedStep]) -> Plan:
    """Lift the bans, and invite everybody who was taken out: not those who had left before their ban."""
    left = [step.target for step in done if step.after.get(HAD_LEFT)]
    return _let_back([step.target for step in done if not step.after.get(HAD_LEFT)], left)


def plan_let_back_again(parameters: Mapping[str, Any]) -> Plan:
    """`undo_removal` once more."""
    targets, left = (map(_target, parameters.get(name, ())) for name in ("targets", "left"))
    return _let_back(targets, left)


def undo_let_back(done: Sequence[PlannedStep]) -> Plan:
    """Remove those again who were let back in; banned they are not."""
    return _take_out_again([step.target for step in done if step.verb == ADD])


def cap_of_removal() -> Cap:
    """However many groups they are removed from, it is people who are gone."""
    return Cap(Unit.PEOPLE, count=settings.OPERATION_CAP_REMOVED_PEOPLE)


def connect(platform: Platform, connection: str) -> Connection:
    """The way to take people out on `platform`, and to let them back in."""
    account, usernames = account_on(platform, connection), usernames_by_id(platform, connection)
    executor = RemovalExecutor if platform is Platform.TELEGRAM else MembershipExecutor
    return AccountConnection(account, executor, usernames=usernames)


def unwanted_removals(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Which of the steps (by index) take out somebody who was a leaver when it was planned, and is none now;
    or an account that is an employee's no more, because it was entered wrongly. One query, and one for each
    account that is not the usual one.
    """
    employees = {row.key: row for row in Employee.objects.filter(key__in=[s.target.subject for s in steps])}
    unwanted = {}
    for at, step in enumerate(steps):
        employee = employees.get(step.target.subject)
        if employee is not None and (reason := _why_not_any_more(employee, step)):
            unwanted[at] = reason
    return unwanted


def describe_removal(arguments: Mapping[str, Any]) -> str:
    """What a step does beyond removing or banning somebody."""
    notes = []
    if arguments.get("instead_of_a_ban"):
        notes.append("no ban: a basic group knows none")
    if arguments.get("include_admins"):
        notes.append("also as an admin")
    return f"({'; '.join(notes)})" if notes else ""


def warnings_about(steps: Sequence[PlannedStep]) -> list[str]:
    """What may be wrong with a plan that can be done all the same, one sentence each. One query."""
    present = Employee.objects.filter(key__in={step.target.subject for step in steps}).exclude(
        status=EmployeeStatus.OFFBOARDED
    )
    warnings = [
        f"{name} is not marked as offboarded: audits will call them missing where a rule asks for them, and "
        f"rules that add by themselves will add them again."
        for name in present.order_by("name").values_list("name", flat=True)
    ]
    without_ban = sum(bool(step.arguments.get("instead_of_a_ban")) for step in steps)
    if without_ban and any(step.verb == BAN for step in steps):
        groups = "1 basic group" if without_ban == 1 else f"{without_ban} basic groups"
        warnings.append(f"From {groups} they are only removed and may come back: basic groups know no bans.")
    return warnings


def warnings_about_returns(steps: Sequence[PlannedStep]) -> list[str]:
    """Whom a plan would bring back although they left the company, one sentence each. One query."""
    back = Counter(step.target.subject for step in steps if step.verb == ADD)
    left = Employee.objects.filter(key__in=back, status=EmployeeStatus.OFFBOARDED).order_by("name")
    return [
        f"{name} has left the company: this brings them back into "
        f"{'1 group' if back[key] == 1 else f'{back[key]:,} groups'}. If they shall stay, change their "
        f"status first; else every audit will find them there."
        for key, name in left.values_list("key", "name")
    ]


def _why_not_any_more(employee: Employee, step: PlannedStep) -> str:
    """What the employee's own record says against the step by now: one sentence."""
    if step.arguments.get("leaver") and employee.status != EmployeeStatus.OFFBOARDED:
        return f"{employee.name} is not offboarded any more: plan again if they shall go."
    platform = step.target.platform
    now = employee.slack_user_id if platform is Platform.SLACK else employee.telegram_user_id
    known = now is None or str(now) == step.target.user_id or step.arguments.get(AGAIN)
    if not known and not employee.accounts.filter(user_id=step.target.user_id).exists():
        return f"{employee.name} has another {platform.label} account by now: plan again."
    return ""


def _let_back(targets: Iterable[Target], left: Iterable[Target]) -> Plan:
    """Invite `targets`; of those who `left` by themselves, lift the ban alone."""
    each, unbanned = dict.fromkeys(targets), dict.fromkeys(left)
    steps = [PlannedStep(ADD, target) for target in each]
    steps += [PlannedStep(UNBAN, target) for target in unbanned]
    parameters = {"targets": list(map(asdict, each)), "left": list(map(asdict, unbanned))}
    return Plan(LET_BACK_KIND, tuple(steps), parameters=parameters, reach=len(steps))


def _take_out_again(targets: Sequence[Target]) -> Plan:
    """Exactly these accounts, whosever they are by now."""
    return Plan(
        KIND,
        tuple(PlannedStep(REMOVE, target, {AGAIN: True}) for target in targets),
        parameters={"targets": list(map(asdict, targets))},
    )


def _target(values: Mapping[str, Any]) -> Target:
    return Target(**{**values, "platform": Platform(values["platform"])})
