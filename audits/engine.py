"""Compare what was seen with the policy: `evaluate(observation, policy, known, now)`, a pure function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from audits.observation import BlindSpot, KnownGroup, Observation, PlatformObservation
from audits.rows import FindingKey, GroupRow, Verdict
from audits.scope import anchors, is_scoped, scoped_groups
from members.platforms.types import AdminStatus, History, Platform, PlatformGroup, Privacy
from members.policy import (
    Category,
    EmployeeStatus,
    Exclusion,
    FindingKind,
    Level,
    Person,
    Policy,
    category_of,
    concerns,
    in_scope,
    level_of,
    outdated_part,
    rules_for,
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of a run. `audits.sight` judges earlier findings by it."""

    rows: tuple[GroupRow, ...]
    problems: Mapping[FindingKey, str]
    """Everything wrong that was seen → one sentence about it."""
    archived: tuple[PlatformGroup, ...]
    """Groups that would be audited if they were not archived."""
    blind_spots: tuple[BlindSpot, ...]
    void_groups: Mapping[tuple[Platform, str], str]
    """Groups that left the audit, and why."""
    observation: Observation
    policy: Policy
    today: date
    """The UTC day on which exclusions were judged."""
    only: frozenset[tuple[Platform, str]] | None = None
    """The groups of which alone something is told; None: all of them."""


def evaluate(
    observation: Observation, policy: Policy, known: Iterable[KnownGroup], now: datetime
) -> Evaluation:
    """Judge every group in scope. `known` are the groups that earlier runs stored; `now` is aware."""
    today = now.astimezone(UTC).date()
    policy = _after_migrations(policy, observation)
    known_by_platform: dict[Platform, dict[str, KnownGroup]] = defaultdict(dict)
    for group in known:
        known_by_platform[group.platform][group.id] = group
    parts = [
        _PlatformEvaluation(seen, policy, known_by_platform[seen.platform], today)
        for seen in observation.platforms
    ]
    for part in parts:
        part.run()
    return Evaluation(
        rows=tuple(row for part in parts for row in part.rows),
        problems={key: text for part in parts for key, text in part.problems.items()},
        archived=tuple(group for part in parts for group in part.archived),
        blind_spots=tuple(spot for part in parts for spot in part.blind_spots),
        void_groups={key: reason for part in parts for key, reason in part.void_groups.items()},
        observation=observation,
        policy=policy,
        today=today,
    )


def _after_migrations(policy: Policy, observation: Observation) -> Policy:
    """The policy with what people decided about a basic group applied to the supergroup it became."""
    moved = {
        (seen.platform, old): (seen.platform, new)
        for seen in observation.platforms
        for old, new in seen.superseded.items()
    }
    if not moved:
        return policy
    exclusions = (
        replace(exclusion, group_id=moved.get(place, place)[1])
        for exclusion in policy.exclusions
        for place in [(exclusion.platform, exclusion.group_id)]
    )
    pinned = {moved.get(place, place): category for place, category in policy.pinned_categories.items()}
    return replace(policy, exclusions=tuple(exclusions), pinned_categories=pinned)


@dataclass(slots=True)
class _PlatformEvaluation:
    """One platform's part, filled by `run`."""

    seen: PlatformObservation
    policy: Policy
    known: Mapping[str, KnownGroup]
    today: date
    rows: list[GroupRow] = field(default_factory=list)
    problems: dict[FindingKey, str] = field(default_factory=dict)
    archived: list[PlatformGroup] = field(default_factory=list)
    blind_spots: list[BlindSpot] = field(default_factory=list)
    void_groups: dict[tuple[Platform, str], str] = field(default_factory=dict)
    _asked_for: dict[str, list[tuple[Person, Level]]] = field(default_factory=dict)
    _exclusions: dict[str, list[Exclusion]] = field(default_factory=lambda: defaultdict(list))
    _uncounted: dict[str, list[Person]] = field(default_factory=lambda: defaultdict(list))

    @property
    def platform(self) -> Platform:
        return self.seen.platform

    def run(self) -> None:
        for exclusion in self.policy.exclusions:
            if exclusion.platform is self.platform and exclusion.holds_on(self.today):
                self._exclusions[exclusion.group_id].append(exclusion)
        self._index_uncounted()
        scoped: set[str] = set()
        for group in scoped_groups(self.seen, self.policy, self.known):
            scoped.add(group.id)
            if group.archived:
                self.archived.append(group)
                self.void_groups[self.platform, group.id] = "group archived"
            else:
                self.rows.append(self._row(group))
        self.rows += self._rows_out_of_sight()
        for group_id in self.seen.groups.keys() - scoped:
            self.void_groups[self.platform, group_id] = "group out of scope"
        for group_id in self.seen.superseded:
            self.void_groups[self.platform, group_id] = "group became a supergroup"
        self._judge_identities()
        self.blind_spots += self._collect_blind_spots()

    def _index_uncounted(self) -> None:
        """Group id → the people in it who are never counted (under review, offboarded)."""
        for person in self.policy.people:
            if person.status not in (EmployeeStatus.UNDER_REVIEW, EmployeeStatus.OFFBOARDED):
                continue
            for group_id in self.seen.groups_of(person.key):
                self._uncounted[group_id].append(person)

    def _people_for(self, category: Category) -> list[tuple[Person, Level]]:
        if category.key not in self._asked_for:
            self._asked_for[category.key] = [
                (person, level)
                for person in self.policy.people
                if (level := level_of(person, self.platform, category.key, self.policy.rules)) is not None
            ]
        return self._asked_for[category.key]

    def _category(self, group_id: str, name: str) -> Category:
        pinned = self.policy.pinned_categories.get((self.platform, group_id))
        return category_of(name, pinned, self.policy.categories)

    def _row(self, group: PlatformGroup) -> GroupRow:
        category = self._category(group.id, group.name)
        attendance = self._attendance(group.id, category)
        row = GroupRow(
            platform=self.platform,
            id=group.id,
            name=group.name,
            category=category,
            verdict=_verdict(category, attendance),
            privacy=group.privacy,
            history=self._history(group),
            admin_status=group.admin_status,
            total_members=self._total_members(group),
            required_present=tuple(attendance.required_present),
            required_missing=tuple(attendance.required_missing),
            optional_present=tuple(attendance.optional_present),
            optional_missing=tuple(attendance.optional_missing),
            excluded=tuple(attendance.excluded),
            unresolved=tuple(attendance.unresolved),
            under_review=self._uncounted_in(group.id, EmployeeStatus.UNDER_REVIEW),
            departed=self._uncounted_in(group.id, EmployeeStatus.OFFBOARDED),
        )
        return replace(row, flags=tuple(self._judge_group(group, row)))

    def _attendance(self, group_id: str, category: Category) -> _Attendance:
        """Who of the people asked for is there; records whom the group lacks."""
        attendance = _Attendance()
        for person, level in self._people_for(category):
            presence = self.seen.presence(group_id, person.key)
            kind = FindingKind.MISSING_REQUIRED if level is Level.REQUIRED else FindingKind.MISSING_OPTIONAL
            if presence is False and category.full_team:
                reasons = rules_for(person, self.platform, category.key, self.policy.rules)
                self._problem(group_id, kind, "; ".join(map(str, reasons)), subject=person.key)
            if self._excused(group_id, person.key, kind, present=presence is True):
                attendance.excluded.append(person.key)
            elif presence is None:
                attendance.unresolved.append(person.key)
                if level is Level.REQUIRED and self.seen.is_unread(group_id, person.key):
                    attendance.required_unread = True
            elif level is Level.REQUIRED:
                (attendance.required_present if presence else attendance.required_missing).append(person.key)
            else:
                (attendance.optional_present if presence else attendance.optional_missing).append(person.key)
        return attendance

    def _uncounted_in(self, group_id: str, status: EmployeeStatus) -> tuple[str, ...]:
        return tuple(person.key for person in self._uncounted.get(group_id, ()) if person.status is status)

    def _judge_group(self, group: PlatformGroup, row: GroupRow) -> Iterator[FindingKind]:
        """Record what is wrong with the group itself; yields what its row shows as flags."""
        if row.privacy is Privacy.PUBLIC:
            who = "everybody in the workspace" if self.platform is Platform.SLACK else "everybody"
            self._problem(group.id, FindingKind.PUBLIC_CHANNEL, f"Open to {who}.")
            yield FindingKind.PUBLIC_CHANNEL
        if (naming := outdated_part(group.name, self.policy.naming)) is not None:
            text = f"The name has “{naming.pattern}” in it, which is “{naming.replacement}” now."
            self._problem(group.id, FindingKind.DEPRECATED_NAME, text)
            yield FindingKind.DEPRECATED_NAME
        if row.history is History.HIDDEN:
            self._problem(
                group.id, FindingKind.HIDDEN_HISTORY, "New members do not see what was written before."
            )
            yield FindingKind.HIDDEN_HISTORY
        for key in row.departed:
            self._problem(
                group.id, FindingKind.DEPARTED_MEMBER_PRESENT, "Left the company, still here.", subject=key
            )
        if row.admin_status is AdminStatus.MEMBER:
            self._problem(group.id, FindingKind.NO_ADMIN_RIGHT, "Our account is only a member here.")

    def _rows_out_of_sight(self) -> Iterator[GroupRow]:
        """Rows for groups in scope that this run was told nothing about."""
        for group_id, vanished in self.seen.vanished.items():
            if is_scoped(vanished, self.seen, self.policy, self.known):
                yield self._hidden_row(group_id, vanished.name, "Vanished while the audit ran.")
        sharers = anchors(self.platform, self.policy)
        for group_id, before in self.known.items():
            if (
                not before.in_scope
                or before.archived
                or group_id in self.seen.groups
                or group_id in self.seen.vanished
                or group_id in self.seen.superseded
            ):
                continue
            if not in_scope(self.platform, before.name, sharers, self.policy.scope):
                self.void_groups[self.platform, group_id] = "group out of scope"
            elif self._accepted(group_id, FindingKind.NOT_VISIBLE):
                continue  # left on purpose: neither a row nor a gap in what was seen
            elif self.seen.groups_complete:
                yield self._hidden_row(group_id, before.name, "Our account does not see it any more.")
            elif self.seen.learnt_something:
                category = self._category(group_id, before.name)
                yield GroupRow(self.platform, group_id, before.name, category, Verdict.ERROR)

    def _hidden_row(self, group_id: str, name: str, reason: str) -> GroupRow:
        self._problem(group_id, FindingKind.NOT_VISIBLE, reason)
        return GroupRow(self.platform, group_id, name, self._category(group_id, name), Verdict.NOT_VISIBLE)

    def _judge_identities(self) -> None:
        for person in self.policy.people:
            looked_up = self.seen.people.get(person.key)
            if looked_up is None:
                continue
            if looked_up.changed_from is not None and looked_up.user is not None:
                text = f"Was @{looked_up.changed_from}, is now @{looked_up.user.username or '(none)'}."
                self._problem("", FindingKind.IDENTITY_CHANGED, text, subject=person.key)
            counted = person.status in (EmployeeStatus.ACTIVE, EmployeeStatus.OPTIONAL)
            if looked_up.unresolved and counted and concerns(person, self.platform, self.policy):
                text = looked_up.unresolved
                self._problem("", FindingKind.UNRESOLVED_IDENTITY, text, subject=person.key)

    def _collect_blind_spots(self) -> Iterator[BlindSpot]:
        names = {person.key: person.name for person in self.policy.people}
        if self.seen.trouble is not None:
            yield BlindSpot(self.platform, self.platform.label, self.seen.trouble.message)
        yield from self.seen.blind_spots
        for key, looked_up in self.seen.people.items():
            reason = looked_up.unresolved or looked_up.unread
            if reason:
                yield BlindSpot(self.platform, names.get(key, key), reason, employee=key)
        for row in self.rows:
            if row.verdict is Verdict.NOT_VISIBLE:
                reason = "The group is out of our account's sight; nothing is known about its members."
                yield BlindSpot(self.platform, row.name, reason, group_id=row.id)
            elif row.verdict is Verdict.ERROR:
                reason = "The run was cut short before this group could be judged."
                yield BlindSpot(self.platform, row.name, reason, group_id=row.id)

    def _problem(self, group_id: str, kind: FindingKind, text: str, *, subject: str = "") -> None:
        self.problems[FindingKey(self.platform, group_id, kind, subject)] = text

    def _accepted(self, group_id: str, kind: FindingKind) -> bool:
        return any(
            exclusion.employee is None and exclusion.kind is kind
            for exclusion in self._exclusions.get(group_id, [])
        )

    def _excused(self, group_id: str, employee: str, kind: FindingKind, *, present: bool) -> bool:
        """Whether the person leaves both sides of the count: excused by name, or absent where absence is."""
        return any(
            exclusion.kind in (None, kind)
            and (exclusion.employee == employee or (exclusion.employee is None and not present))
            for exclusion in self._exclusions.get(group_id, [])
        )

    def _history(self, group: PlatformGroup) -> History:
        """This run's reading, else the one kept from an earlier run."""
        if group.history is not History.UNKNOWN:
            return group.history
        if group.id in self.seen.details:
            return self.seen.details[group.id].history
        before = self.known.get(group.id)
        return before.history if before is not None and before.history_read_at else History.UNKNOWN

    def _total_members(self, group: PlatformGroup) -> int | None:
        if group.id in self.seen.member_counts:
            return self.seen.member_counts[group.id]
        if group.total_members is None and group.id in self.seen.details:
            return self.seen.details[group.id].total_members
        return group.total_members


@dataclass(slots=True)
class _Attendance:
    """The people asked for in one group, sorted by whether they are there; employee keys."""

    required_present: list[str] = field(default_factory=list)
    required_missing: list[str] = field(default_factory=list)
    optional_present: list[str] = field(default_factory=list)
    optional_missing: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    required_unread: bool = False
    """Whether a required person's groups could not be read this time (their identity is known)."""


def _verdict(category: Category, attendance: _Attendance) -> Verdict:
    if not category.full_team:
        return Verdict.EXEMPT
    if attendance.required_missing:
        return Verdict.INCOMPLETE
    return Verdict.ERROR if attendance.required_unread else Verdict.COMPLETE
