"""What operations did, or could not do, to bring somebody in or take them out; from the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from audits.remediation.pairs import REMOVE_KIND
from audits.staff_changes.facts import Asked, Hurdle, OperationFact, StuckGroup
from audits.staff_changes.models import StaffChange
from members.models import Group
from members.operations.membership import ADD, REMOVE
from members.operations.models import Operation, OperationReport, Step
from members.operations.plan import Target
from members.operations.services import planned, skipped_of
from members.operations.states import OperationState, StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import AdminStatus, Platform
from telegram_ops.administrators import people_of
from telegram_ops.ownership_models import GroupAdministrators, OwnershipRequest
from telegram_ops.ownership_plans import whom_to_ask
from telegram_ops.removal_plans import BAN, WhyNot
from telegram_ops.removal_plans import KIND as REMOVAL_KIND

LOOKED_BACK = timedelta(days=7)
"""Operations from shortly before count too: in an emergency somebody is taken out first. Of a change that was
opened again, those from before are what did not suffice."""
_TAKES_OUT = (REMOVE, BAN)
_MOVES = (ADD, *_TAKES_OUT)
_ADMINS = (AdminStatus.OWNER, AdminStatus.ADMIN_CAN_RENAME, AdminStatus.ADMIN)
_HURDLES: Mapping[str, Hurdle] = {
    WhyNot.ASK_THE_OWNER: Hurdle.OWNER,
    WhyNot.IS_OWNER: Hurdle.THEIRS,
    WhyNot.ADMIN_OF_OTHERS: Hurdle.THEIRS,
    WhyNot.IS_ADMIN: Hurdle.ADMIN,
}

StillThere = Collection[tuple[str, str, str]]
"""(employee key, platform, group id) of the open findings that say so."""


@dataclass(frozen=True, slots=True)
class Movements:
    """Of one change."""

    operations: tuple[OperationFact, ...] = ()
    """Newest first."""
    stuck: tuple[StuckGroup, ...] = ()
    """By name."""


def read_movements(
    changes: Sequence[StaffChange], still_there: StillThere, *, now: datetime
) -> dict[int, Movements]:
    """By the changes' primary keys, in a constant number of queries."""
    keys = {change.employee_key for change in changes}
    since = min(change.opened_at for change in changes) - LOOKED_BACK
    moves = Step.objects.filter(subject__in=keys, verb__in=_MOVES, operation__planned_at__gte=since)
    counts = list(moves.order_by().values_list("operation", "subject", "verb", "state").annotate(Count("pk")))
    operations = Operation.objects.filter(
        Q(pk__in={row[0] for row in counts}) | Q(kind__in=(REMOVAL_KIND, REMOVE_KIND), planned_at__gte=since)
    ).defer("parameters", "before", "after", "api_calls")
    rows = {operation.pk: operation for operation in operations.order_by("-pk")}
    reported = set(
        OperationReport.objects.filter(operation__in=rows, format="md").values_list("operation", flat=True)
    )
    stuck = _stuck(list(rows.values()), keys)
    groups, requests, taken_out = _groups(stuck), _requests(stuck), _taken_out(stuck)
    unreachable = _unreachable(stuck)
    found = {}
    for change in changes:
        key = change.employee_key
        first = change.reopened_at or change.opened_at - LOOKED_BACK
        about = [row for row in rows.values() if row.planned_at >= first]
        facts = [
            _fact(operation, numbers, operation.pk in reported, now)
            for operation in about
            if (numbers := _numbers(operation.pk, key, counts)) or _left_out(operation, key)
        ]
        ids = {fact.id for fact in facts}
        mine = [each for each in stuck.get(key, {}).values() if each.operation in ids]
        told = (
            replace(
                _told(each, key, groups, requests, unreachable, still_there),
                taken_out=taken_out.get((key, each.platform, each.id), 0) > each.operation,
            )
            for each in mine
        )
        found[change.pk] = Movements(
            tuple(facts), tuple(sorted(told, key=lambda each: (each.name.casefold(), each.id)))
        )
    return found


Counts = Iterable[tuple[int, str, str, str, int]]
"""(operation, employee key, verb, state, number of steps)."""


def _numbers(operation: int, key: str, counts: Counts) -> dict[tuple[str, str], int]:
    """(verb, state) → number, of the operation's steps about them."""
    return {
        (verb, state): count
        for pk, subject, verb, state, count in counts
        if (pk, subject) == (operation, key)
    }


def _left_out(operation: Operation, key: str) -> bool:
    """Whether a removal meant them, and had nothing to do."""
    return operation.kind in (REMOVAL_KIND, REMOVE_KIND) and any(
        line["target"]["subject"] == key for line in operation.skipped
    )


def _fact(
    operation: Operation, numbers: Mapping[tuple[str, str], int], reported: bool, now: datetime
) -> OperationFact:
    states: Counter[str] = Counter()
    for (_, state), count in numbers.items():
        states[state] += count
    state = OperationState(operation.state)
    if state is OperationState.PLANNED and operation.expires_at <= now:
        state = OperationState.EXPIRED
    elif operation.confirmed_at is None and state.finished:
        state = OperationState.EXPIRED  # a plan that was dropped
    return OperationFact(
        id=operation.pk,
        state=state,
        planned_at=operation.planned_at,
        finished_at=operation.finished_at,
        takes_out=not numbers or any(verb in _TAKES_OUT for verb, _ in numbers),
        steps=states.total(),
        done=states[StepState.DONE] + states[StepState.APPLIED] + states[StepState.SKIPPED],
        failed=states[StepState.FAILED] + states[StepState.NOT_TRIED],
        has_report=reported,
    )


Stuck = dict[str, dict[tuple[Platform, str], StuckGroup]]
"""Employee key → (platform, group id) → the group, as the newest operation that met it tells."""


def _stuck(operations: Sequence[Operation], keys: Collection[str]) -> Stuck:
    """`operations` are the newest first."""
    removals = [row for row in operations if row.kind in (REMOVAL_KIND, REMOVE_KIND)]
    lacking = defaultdict(list)
    for step in Step.objects.filter(
        operation__in=removals, subject__in=keys, outcome=Outcome.ADMIN_RIGHTS_NEEDED
    ):
        lacking[step.operation_id].append(planned(step).target)
    found: defaultdict[str, dict[tuple[Platform, str], StuckGroup]] = defaultdict(dict)
    for operation in reversed(removals):
        for target, hurdle in _met(operation, lacking[operation.pk]):
            group = StuckGroup(
                target.platform,
                target.group_id,
                target.group_name,
                Hurdle.OUTSIDE if target.platform is Platform.SLACK else hurdle,
                operation.pk,
                audited=False,
                still_there=False,
            )
            found[target.subject][group.platform, group.id] = group
    return found


def _met(operation: Operation, lacking: Iterable[Target]) -> Iterator[tuple[Target, Hurdle]]:
    """What kept it from taking somebody out of a group."""
    for line in skipped_of(operation):
        hurdle = _HURDLES.get(line.code)
        if hurdle is not None and line.target.group_id:
            yield line.target, hurdle
    yield from ((target, Hurdle.OWNER) for target in lacking)


def _told(
    stuck: StuckGroup,
    key: str,
    groups: Mapping[tuple[str, str], Group],
    requests: Mapping[str, OwnershipRequest],
    unreachable: Collection[str],
    still_there: StillThere,
) -> StuckGroup:
    """With what audits and the tracker say of the group by now."""
    group = groups.get((stuck.platform, stuck.id))
    ranks = (AdminStatus.OWNER,) if stuck.hurdle is Hurdle.THEIRS else _ADMINS
    request = requests.get(stuck.id) if stuck.platform is Platform.TELEGRAM else None
    return replace(
        stuck,
        name=group.name if group is not None else stuck.name,
        audited=group is not None and group.in_scope and not group.archived,
        still_there=(key, str(stuck.platform), stuck.id) in still_there,
        asked=Asked(request.state) if request is not None else None,
        asked_at=request.asked_at if request is not None else None,
        nobody_to_ask=stuck.platform is Platform.TELEGRAM and stuck.id in unreachable,
        we_may=group is not None and group.may_remove and group.admin_status in ranks,
    )


def _groups(stuck: Stuck) -> dict[tuple[str, str], Group]:
    ids = {group_id for groups in stuck.values() for _, group_id in groups}
    rows = Group.objects.filter(external_id__in=ids)
    return {(row.platform, row.external_id): row for row in rows}


def _taken_out(stuck: Stuck) -> dict[tuple[str, str, str], int]:
    """(employee key, platform, group id) → the newest operation that did take them out there."""
    ids = {group_id for groups in stuck.values() for _, group_id in groups}
    done = Step.objects.filter(
        subject__in=stuck.keys(), group_id__in=ids, verb__in=_TAKES_OUT, state=StepState.DONE
    )
    columns = ("subject", "platform", "group_id")
    rows = done.order_by().values_list(*columns).annotate(Max("operation"))
    return {(key, platform, group_id): operation for key, platform, group_id, operation in rows}


def _requests(stuck: Stuck) -> dict[str, OwnershipRequest]:
    """Group id → the request that counts: one that waits, else the newest."""
    ids = {group_id for groups in stuck.values() for _, group_id in groups}
    rows = OwnershipRequest.objects.filter(group__platform=Platform.TELEGRAM, group__external_id__in=ids)
    ordered = sorted(rows.select_related("group"), key=lambda row: (row.is_open, row.asked_at))
    return {row.group.external_id: row for row in ordered}


def _unreachable(stuck: Stuck) -> set[str]:
    """The ids of the Telegram groups in which nobody who runs them can be asked, as last read."""
    ids = {group_id for groups in stuck.values() for _, group_id in groups}
    rows = GroupAdministrators.objects.filter(
        group__platform=Platform.TELEGRAM, group__external_id__in=ids, trouble=""
    )
    return {
        row.group.external_id
        for row in rows.select_related("group")
        if whom_to_ask(people_of(row))[0] is None
    }
