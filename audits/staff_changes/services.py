"""Leavings and joinings: begin, close, drop, and what follows an audit. Every change is on record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from audits.lifecycle import State
from audits.models import AuditRun, Finding
from audits.staff_changes.checklist import checklist, obstacle
from audits.staff_changes.facts import ChangeKind
from audits.staff_changes.items import NAMED, Item, Proof, counted, listed
from audits.staff_changes.models import ChangeState, StaffChange
from audits.staff_changes.reading import facts_of
from members import services as members
from members.models import Employee
from members.operations import activity
from members.operations.activity import Event
from members.policy import FindingKind

AUDIT = "audit"
"""Who acts when an audit sees that all is as it should be, or not any more."""


class ChangeRefused(Exception):
    """What was asked for is not to be done: one line, what is and what to do."""


@transaction.atomic
def begin(*, employee: Employee, kind: ChangeKind, actor: str) -> StaffChange:
    """Give the employee the status that the change needs, and follow it from now on.

    One that is open already is returned as it is; an open one of the other kind is dropped. A leaver's
    status keeps nobody in a group, and takes nobody out of one.
    """
    employee = Employee.objects.select_for_update().get(pk=employee.pk)
    for other in StaffChange.objects.filter(employee_key=employee.key, state=ChangeState.OPEN):
        if other.kind == kind:
            return other
        why = "They leave." if kind is ChangeKind.LEAVING else "They are back."
        _end(other, ChangeState.DROPPED, items_of(other), actor=actor, detail=why)
    before = employee.get_status_display()
    members.set_status(employees=Employee.objects.filter(pk=employee.pk), status=kind.status)
    change = StaffChange.objects.create(
        kind=kind,
        employee_key=employee.key,
        employee_name=employee.name,
        opened_at=timezone.now(),
        opened_by=actor,
    )
    employee.refresh_from_db()
    _note(change, "begun", actor, f"Status: {before} → {employee.get_status_display()}")
    return change


def items_of(change: StaffChange) -> tuple[Item, ...]:
    """The checklist as it stands; of one that is not open, as it stood at its end."""
    if change.state != ChangeState.OPEN:
        return tuple(Item.of(words) for words in change.evidence)
    return checklist(facts_of([change])[change.pk])


@transaction.atomic
def close(*, change_id: int, actor: str) -> StaffChange:
    """End a change of which nothing is left to do. Raises ChangeRefused, with the first thing that is."""
    change = _open(change_id)
    items = items_of(change)
    if (left := obstacle(items)) is not None:
        raise ChangeRefused(f"Not to be closed yet. {left.topic}: {left.text}")
    _end(change, ChangeState.CLOSED, items, actor=actor, detail=_proof(items))
    return change


@transaction.atomic
def drop(*, change_id: int, actor: str, why: str) -> StaffChange:
    """End a change that was begun by mistake, or that nobody goes on with. The status stays as it is.

    Raises ChangeRefused when it is not open.
    """
    change = _open(change_id)
    _end(change, ChangeState.DROPPED, items_of(change), actor=actor, detail=why)
    return change


def follow(run: AuditRun) -> None:
    """After a recorded audit: close what is finished, and open again what is not. Twice does no harm."""
    with transaction.atomic():
        for change, groups in _back():
            _reopen(change, run, groups)
    changes = list(StaffChange.objects.filter(state=ChangeState.OPEN))
    facts = facts_of(changes)
    for change in changes:
        items = checklist(facts[change.pk])
        if obstacle(items) is None:
            with transaction.atomic():
                _end(change, ChangeState.CLOSED, items, actor=AUDIT, detail=_proof(items))


def _open(change_id: int) -> StaffChange:
    change = StaffChange.objects.select_for_update().get(pk=change_id)
    if change.state != ChangeState.OPEN:
        raise ChangeRefused(f"{change}: this is {change.get_state_display().lower()} already.")
    return change


def _end(change: StaffChange, state: ChangeState, items: Sequence[Item], *, actor: str, detail: str) -> None:
    """Nothing happens when somebody else has ended it. Call it in a transaction."""
    now = timezone.now()
    ended = StaffChange.objects.filter(pk=change.pk, state=ChangeState.OPEN).update(
        state=state,
        closed_at=now,
        closed_by=actor,
        note=detail if state is ChangeState.DROPPED else "",
        evidence=[item.as_words() for item in items],
    )
    if ended:
        _note(change, str(state), actor, detail)
    change.refresh_from_db()


def _back() -> Iterable[tuple[StaffChange, list[str]]]:
    """The closed leavings of people whom audits see again, each with the names of the groups."""
    seen: dict[str, list[str]] = {}
    findings = Finding.objects.filter(kind=FindingKind.DEPARTED_MEMBER_PRESENT, state=State.OPEN)
    for finding in findings.select_related("group").order_by("pk"):
        name = finding.group.name if finding.group is not None else finding.group_external_id
        seen.setdefault(finding.subject, []).append(name)
    newest: dict[str, StaffChange] = {}
    for change in StaffChange.objects.select_for_update().filter(employee_key__in=seen).order_by("pk"):
        newest[change.employee_key] = change
    for key, change in newest.items():
        if change.kind == ChangeKind.LEAVING and change.state == ChangeState.CLOSED:
            yield change, seen[key]


def _reopen(change: StaffChange, run: AuditRun, groups: Sequence[str]) -> None:
    change.note = f"{run} saw them again in {counted(len(groups), 'group')}: {listed(groups)}."
    change.state, change.reopened_at = ChangeState.OPEN, timezone.now()
    change.times_reopened += 1
    change.closed_at, change.closed_by, change.evidence = None, "", []
    change.save()
    _note(change, "reopened", AUDIT, change.note)


def _proof(items: Sequence[Item]) -> str:
    """By which audits it was closed."""
    runs = {
        each.label: None
        for item in items
        for each in item.evidence
        if each.proof is Proof.RUN and item.blocks
    }
    return f"By {listed(runs)}" if len(runs) <= NAMED else f"By {len(runs)} audits"


def _note(change: StaffChange, action: str, actor: str, detail: str) -> None:
    event = Event(actor, f"{change.kind}.{action}", subject=change.employee_key, detail=detail)
    activity.record(events=[event], at=timezone.now())
