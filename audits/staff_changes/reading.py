"""The facts of leavings and joinings from the database: a constant number of queries for any number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Max
from django.db.models.functions import Coalesce
from django.utils import timezone

from audits.lifecycle import State
from audits.models import AuditRun, Finding, RunState
from audits.staff_changes.facts import Account, ChangeKind, Facts, Look, OnPlatform
from audits.staff_changes.models import Sight, StaffChange
from audits.staff_changes.movements import Movements, read_movements
from members.models import Employee
from members.operations.models import Step
from members.operations.states import StepState
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind, Level, Person, Policy, level_of
from members.services import load_policy

FINDING_OF = {
    ChangeKind.LEAVING: FindingKind.DEPARTED_MEMBER_PRESENT,
    ChangeKind.JOINING: FindingKind.MISSING_REQUIRED,
}
"""The kind of finding of which the last has to be gone."""
_NOTHING_DONE = (StepState.PENDING, StepState.NOT_TRIED, StepState.SKIPPED)


def facts_of(changes: Sequence[StaffChange]) -> dict[int, Facts]:
    """What is known of each change now, by its primary key."""
    if not changes:
        return {}
    book = _Book.of(changes)
    return {change.pk: book.facts(change) for change in changes}


def begun(change: StaffChange) -> datetime:
    """Since when audits count for it."""
    return change.reopened_at or change.opened_at


@dataclass(slots=True)
class _Book:
    """Everything that was read for a number of changes, by whom it is about."""

    policy: Policy
    statuses: Mapping[str, EmployeeStatus]
    movements: Mapping[int, Movements]
    sights: dict[tuple[int, str], Sight]
    effects: dict[tuple[str, str], datetime]
    coming: dict[str, int]
    findings: defaultdict[tuple[str, str, str, str], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    """(key, kind, platform, state) → ids of the groups."""

    @classmethod
    def of(cls, changes: Sequence[StaffChange]) -> _Book:
        keys = {change.employee_key for change in changes}
        sights = Sight.objects.filter(change__in=changes)
        book = cls(
            policy=load_policy(),
            statuses={
                key: EmployeeStatus(status)
                for key, status in Employee.objects.filter(key__in=keys).values_list("key", "status")
            },
            movements={},
            sights={(sight.change_id, sight.platform): sight for sight in sights},
            effects=_last_effects(keys),
            coming=_coming_runs(),
        )
        living = Finding.objects.filter(kind__in=FINDING_OF.values(), subject__in=keys)
        for finding in living.exclude(state=State.RESOLVED):
            key = finding.subject, finding.kind, finding.platform, finding.state
            book.findings[key].add(finding.group_external_id)
        still = {
            (key, platform, group_id)
            for (key, kind, platform, state), ids in book.findings.items()
            if kind == FindingKind.DEPARTED_MEMBER_PRESENT and state == State.OPEN
            for group_id in ids
        }
        book.movements = read_movements(changes, still, now=timezone.now())
        return book

    def facts(self, change: StaffChange) -> Facts:
        moved = self.movements[change.pk]
        return Facts(
            kind=ChangeKind(change.kind),
            name=change.employee_name,
            status=self.statuses.get(change.employee_key),
            begun_at=begun(change),
            platforms=tuple(self._platforms(change)),
            operations=moved.operations,
            stuck=moved.stuck,
        )

    def _platforms(self, change: StaffChange) -> Iterator[OnPlatform]:
        """Leaving: where they have an account, or findings. Joining: where rules require them."""
        person = next((each for each in self.policy.people if each.key == change.employee_key), None)
        for platform in Platform:
            account = _account(person, platform)
            open_findings, accepted = (
                len(self.findings[change.employee_key, FINDING_OF[ChangeKind(change.kind)], platform, state])
                for state in (State.OPEN, State.EXCLUDED)
            )
            if change.kind == ChangeKind.JOINING:
                is_meant = person is not None and self._is_required(person, platform)
            else:
                is_meant = account is not Account.NONE or open_findings > 0
            if is_meant:
                yield self._on(change, platform, account, open_findings, accepted)

    def _is_required(self, person: Person, platform: Platform) -> bool:
        """Whether a rule requires them in any group there may be."""
        asking = (category for category in self.policy.categories if category.full_team)
        return any(
            level_of(person, platform, category.key, self.policy.rules) is Level.REQUIRED
            for category in asking
        )

    def _on(
        self, change: StaffChange, platform: Platform, account: Account, open_findings: int, accepted: int
    ) -> OnPlatform:
        sight = self.sights.get((change.pk, platform))
        return OnPlatform(
            platform=platform,
            account=account,
            open_findings=open_findings,
            accepted=accepted,
            look=_look(sight) if sight is not None else None,
            closed_at=sight.account_closed_at if sight is not None else None,
            closed_run=sight.account_closed_run if sight is not None else None,
            last_effect=self.effects.get((change.employee_key, platform)),
            coming_run=self.coming.get(platform),
        )


def _account(person: Person | None, platform: Platform) -> Account:
    handle = person.handles.get(platform) if person is not None else None
    if handle is None or not (handle.id or handle.username):
        return Account.NONE
    return Account.KNOWN if handle.id else Account.NAMED


def _look(sight: Sight) -> Look:
    return Look(
        run=sight.run_id,
        started_at=sight.started_at,
        unresolved=sight.unresolved,
        unread=sight.unread,
        present=sight.present,
        missing=sight.missing,
        unseen=tuple(sight.unseen),
        hidden=tuple(sight.hidden),
    )


def _last_effects(keys: set[str]) -> dict[tuple[str, str], datetime]:
    """(key, platform) → when a step about them in a group last had an effect, or may have had one."""
    steps = Step.objects.filter(subject__in=keys).exclude(group_id="").exclude(state__in=_NOTHING_DONE)
    rows = (
        steps.order_by()
        .values_list("subject", "platform")
        .annotate(at=Max(Coalesce("finished_at", "started_at")))
    )
    return {(key, platform): at for key, platform, at in rows if at is not None}


def _coming_runs() -> dict[str, int]:
    """Platform → the audit of all its groups that will be recorded next."""
    coming: dict[str, int] = {}
    unfinished = AuditRun.objects.filter(state__in=RunState.unfinished(), narrow=False).order_by("-pk")
    for pk, platforms in unfinished.values_list("pk", "platforms"):
        coming |= dict.fromkeys(platforms, pk)
    return coming
