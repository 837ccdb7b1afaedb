"""Watch one platform: read what is needed, keep what was learnt, say what was not seen.

The plan follows people, not groups: list the groups once, then ask for each person's
groups. Calls that cost one per group are made only where nothing cheaper tells: a history
setting that is due, a membership that a person's own list cannot prove, a deep run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from audits.doubt import hides_members, is_doubtful
from audits.observation import BlindSpot, KnownGroup, PersonSeen, PlatformObservation, Trouble
from audits.people import (
    CUT_SHORT,
    Roster,
    first_sight,
    is_counted,
    policy_through,
    wanted,
    was_never_there,
    who_may_be_meant,
)
from audits.progress import Progress, Stage
from audits.scope import anchors, scope_candidates, scoped_groups
from members.identity import Resolved, resolve_all
from members.platforms.base import CallMeter, PlatformReader
from members.platforms.errors import AccountTrouble, Gone, PlatformError, Refused, TryLater, Unreachable
from members.platforms.types import (
    Account,
    CallCount,
    GroupDetails,
    History,
    Platform,
    PlatformGroup,
    PlatformUser,
    Wanted,
)
from members.policy import Policy

HISTORY_MAX_AGE = timedelta(days=7, hours=-1)
"""How long a group's history setting is trusted: a week, less the hour by which a weekly audit may vary."""

SECOND_LOOKS = 50
"""How many groups that seem out of scope are looked into per run, the longest unread first: what hides
its members may hide the person who brings it into scope. An account may be in thousands of such groups."""

T = TypeVar("T")

_THE_END = (AccountTrouble, Unreachable)
"""What ends the watch of a platform: whatever else was asked for would be refused, or never answered, too."""

_WORKERS = 16
"""Pieces of work in flight per platform; the adapter bounds the calls themselves."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to look for: the policy, what is known already, and how thoroughly to look."""

    policy: Policy
    known: tuple[KnownGroup, ...] = ()
    deep: bool = False
    groups: tuple[tuple[Platform, str], ...] = ()
    """The groups to look at, if not all of them."""
    patience: float = 120.0
    """The longest single wait, in seconds, that a platform may ask of us."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    to_prove: frozenset[str] = frozenset()
    """The keys of people whose absence somebody waits for, although nobody counts on them."""
    elsewhere: bool = False
    """Whether we look into a further workspace, in which not everybody has an account."""

    def through(self, connection: str, platform: Platform) -> Assignment:
        """The same, of people as they are known in a further connection of `platform`."""
        if not connection:
            return self
        policy = policy_through(connection, platform, self.policy)
        return replace(self, policy=policy, elsewhere=platform is Platform.SLACK)


@dataclass(slots=True)
class Watch:
    """One platform's observation while it grows; an error leaves what was learnt so far."""

    platform: Platform
    assignment: Assignment
    known: Mapping[str, KnownGroup]
    progress: Progress
    account: Account | None = None
    account_employee: str | None = None
    groups: dict[str, PlatformGroup] = field(default_factory=dict)
    shared: dict[str, PlatformGroup] = field(default_factory=dict)
    groups_complete: bool = False
    superseded: dict[str, str] = field(default_factory=dict)
    vanished: dict[str, PlatformGroup] = field(default_factory=dict)
    people: dict[str, PersonSeen] = field(default_factory=dict)
    met: dict[str, PlatformUser] = field(default_factory=dict)
    asked: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    details: dict[str, GroupDetails] = field(default_factory=dict)
    members: dict[str, frozenset[str]] = field(default_factory=dict)
    member_counts: dict[str, int] = field(default_factory=dict)
    blind_spots: list[BlindSpot] = field(default_factory=list)
    trouble: Trouble | None = None

    async def run(self, reader: PlatformReader) -> None:
        self.account = await reader.account()
        self._note_what_no_account_sees(self.account)
        await self._list_groups_and_people(reader)
        policy = self.assignment.policy
        candidates = scope_candidates(self.observation(), policy)
        second_looks = self._due([group for group in candidates if group.may_hide_members])
        due = [*self._due(self._scoped()), *second_looks[:SECOND_LOOKS]]
        await self._read_details(reader, due)
        hiding = [group for group in candidates if self._hides_members(group)]
        await self._ask_doubtful(reader, hiding, anchors(self.platform, policy))
        await self._ask_doubtful(reader, self._scoped(), self.people.keys())
        if self.assignment.deep:
            await self._read_members(reader, self._scoped())

    def _scoped(self) -> list[PlatformGroup]:
        """The groups to be judged, as far as it is known by now."""
        scoped = scoped_groups(self.observation(), self.assignment.policy, self.known)
        return [group for group in scoped if not group.archived]

    def observation(self, meter: CallMeter | None = None) -> PlatformObservation:
        groups = {key: group for key, group in self.groups.items() if key not in self.vanished}
        return PlatformObservation(
            platform=self.platform,
            account=self.account,
            account_employee=self.account_employee,
            groups=groups,
            groups_complete=self.groups_complete,
            superseded=self.superseded,
            vanished=self.vanished,
            people=self.people,
            met=self.met,
            asked=self.asked,
            details=self.details,
            members=self.members,
            member_counts=self.member_counts,
            blind_spots=tuple(self.blind_spots),
            trouble=self.trouble,
            cost=meter.snapshot() if meter is not None else CallCount(),
        )

    async def _list_groups_and_people(self, reader: PlatformReader) -> None:
        """Both at the same time: waiting for them is most of what a run takes.

        What people are in counts only beside the whole list: without it the run has learnt nothing of them.
        """
        people = asyncio.create_task(self._read_people(reader))  # begins when the list is under way
        try:
            await self._list_groups(reader)
            self._show_people()
            await people
        finally:
            people.cancel()
            await asyncio.gather(people, return_exceptions=True)
            if self.groups_complete:
                self._merge_shared()
            else:
                self.people.clear()
                self.account_employee = None

    def _show_people(self) -> None:
        """Count the people's lists from now on, if the list of groups is whole and the people are known."""
        if self.groups_complete:
            read = sum(person.unread != CUT_SHORT for person in self.people.values())
            self.progress.enter(Stage.PEOPLE, len(self.people))
            self.progress.advance(read)

    async def _list_groups(self, reader: PlatformReader) -> None:
        self.progress.enter(Stage.GROUPS)
        async for page in reader.groups():
            for group in page:
                if group.superseded_by is not None:
                    self.superseded[group.id] = group.superseded_by
                    self.groups.pop(group.id, None)
                else:
                    self.groups[group.id] = group
            self.progress.advance(len(page))
        self.groups_complete = True

    async def _read_people(self, reader: PlatformReader) -> None:
        roster = Roster.of(self.assignment.policy, self.platform)
        people = [*roster.concerned, *roster.strangers]
        wants = [wanted(person, self.platform) for person in people]
        ours = wants[: len(roster.concerned)]
        try:
            candidates = await reader.users(wants)
        except TryLater as error:
            self.people.update({w.key: PersonSeen(w.key, id=w.id, unread=str(error)) for w in ours})
            if isinstance(error, _THE_END):
                raise
            return
        if self.assignment.elsewhere:
            candidates = who_may_be_meant(wants, candidates)
        resolutions = resolve_all(wants, candidates)
        for person, want, resolution in zip(people, wants, resolutions, strict=True):
            if person in roster.concerned:
                failure = reader.lookup_failures.get(want.key)
                self.people[want.key] = first_sight(person, want, resolution, failure)
                known_nowhere = self.assignment.elsewhere and failure is None
                if known_nowhere and was_never_there(person, want, resolution, candidates):
                    self.people[want.key] = PersonSeen(want.key, nowhere=True)
            elif isinstance(resolution, Resolved):
                self.met[want.key] = resolution.user
        self._recognise_account(ours)
        self._show_people()
        to_read = [(p.key, p.user) for p in self.people.values() if p.user and p.unread == CUT_SHORT]
        await _each(to_read, lambda item: self._read_person(reader, *item))

    def _recognise_account(self, wants: Sequence[Wanted]) -> None:
        """The account's own employee is present wherever the account is, also when no list names them."""
        for want in wants:
            if self.account is not None and self.account.id in (want.id, self.people[want.key].id):
                self.account_employee = want.key

    async def _read_person(self, reader: PlatformReader, key: str, user: PlatformUser) -> None:
        group_ids: set[str] = set()
        why = ""
        try:
            async for page in reader.groups_of(user):
                for group in page:
                    self.shared.setdefault(group.id, group)
                    group_ids.add(group.id)
        except _THE_END as error:
            self._settle(key, frozenset(group_ids), unread=str(error))
            raise
        except PlatformError as error:
            # Of somebody external the list would prove nothing: the shared groups themselves are asked.
            why = "" if user.external and isinstance(error, Refused) else str(error)
        self._settle(key, frozenset(group_ids), unread=why)

    def _merge_shared(self) -> None:
        """The account's own list says the most of a group; what only others' lists showed is added to it."""
        for group in self.shared.values():
            if group.superseded_by is None and group.id not in self.superseded:
                self.groups.setdefault(group.id, group)

    def _settle(self, key: str, group_ids: frozenset[str], *, unread: str = "") -> None:
        before = self.people[key]
        self.people[key] = PersonSeen(
            key, before.user, before.id, unread=unread, changed_from=before.changed_from, group_ids=group_ids
        )
        if self.groups_complete:
            self.progress.advance()

    async def _read_details(self, reader: PlatformReader, due: Sequence[PlatformGroup]) -> None:
        self.progress.enter(Stage.DETAILS, len(due))

        async def read(group: PlatformGroup) -> None:
            try:
                details = self.details[group.id] = await reader.details(group)
                if details.migrated_from is not None:  # also where the old group is not listed any more
                    self.superseded.setdefault(details.migrated_from, group.id)
            except Gone:
                self.vanished[group.id] = group
            except (TryLater, AccountTrouble):
                raise
            except PlatformError as error:
                self._blind(group.name, f"History setting not read: {error}", group_id=group.id)
            self.progress.advance()

        error = await _each(due, read)
        if error is not None:
            left = sum(1 for group in due if group.id not in self.details and group.id not in self.vanished)
            self._blind("History settings", f"{left} of {len(due)} left for the next run: {error}")

    def _due(self, groups: Sequence[PlatformGroup]) -> list[PlatformGroup]:
        """The groups whose history setting is unknown or too old, the longest unread first."""

        def read_at(group: PlatformGroup) -> datetime:
            before = self.known.get(group.id)
            stamp = before.history_read_at if before is not None else None
            return stamp or datetime.min.replace(tzinfo=UTC)

        horizon = self.assignment.now - HISTORY_MAX_AGE
        due = [g for g in groups if g.history is History.UNKNOWN and read_at(g) <= horizon]
        return sorted(due, key=read_at)

    async def _ask_doubtful(
        self, reader: PlatformReader, groups: Iterable[PlatformGroup], keys: Collection[str]
    ) -> None:
        """Ask the group itself where a person's own list is no proof of absence.

        Where nobody counts on the person the answer stays open, unless the run is a deep one, or scope or
        a leaving hangs on them: each of these is a call.
        """
        idle = {person.key for person in self.assignment.policy.people if not is_counted(person)}
        idle -= anchors(self.platform, self.assignment.policy) | self.assignment.to_prove

        async def ask(pair: tuple[PlatformGroup, str, PlatformUser]) -> None:
            group, key, user = pair
            self.asked[group.id, key] = None
            if key in idle and not self.assignment.deep:
                return
            try:
                self.asked[group.id, key] = await reader.is_member(group, user)
            except _THE_END:
                raise
            except PlatformError as error:
                self._note_if_passing(error)
                self._blind(
                    group.name, f"Whether {key} is in it could not be asked: {error}", group_id=group.id
                )

        await _each(list(self._unproven(groups, keys)), ask)

    def leave_doubts_open(self) -> None:
        """Nobody will be asked any more: an absence that is not proven by now stays unknown."""
        for group, key, _ in self._unproven(self.groups.values(), self.people.keys()):
            self.asked.setdefault((group.id, key), None)

    def _unproven(
        self, groups: Iterable[PlatformGroup], keys: Collection[str]
    ) -> Iterator[tuple[PlatformGroup, str, PlatformUser]]:
        """(group, employee key, user) where the person's list lacks the group, and proves nothing by that."""
        people = [self.people[key] for key in keys if key in self.people and key != self.account_employee]
        for group in groups:
            hides = self._hides_members(group)
            for person in people:
                if person.user is None or person.unread or group.id in person.group_ids:
                    continue
                if (group.id, person.key) in self.asked or not is_doubtful(group, person.user, hides=hides):
                    continue
                yield group, person.key, person.user

    def _hides_members(self, group: PlatformGroup) -> bool | None:
        return hides_members(self.details.get(group.id), self.known.get(group.id))

    async def _read_members(self, reader: PlatformReader, scoped: Sequence[PlatformGroup]) -> None:
        """The full lists: only the ids we care for and the count are kept, whatever the size."""
        self.progress.enter(Stage.MEMBERS, len(scoped))
        ours = {person.id for person in self.people.values() if person.id is not None}

        async def read(group: PlatformGroup) -> None:
            ids: set[str] = set()
            expected: int | None = None
            try:
                async for page in reader.members(group):
                    ids |= page.ids
                    expected = page.expected if page.expected is not None else expected
            except Gone:
                self.vanished[group.id] = group
                return
            except _THE_END:
                raise
            except PlatformError as error:
                self._note_if_passing(error)
                self._blind(group.name, f"Member list not read: {error}", group_id=group.id)
                return
            self.member_counts[group.id] = max(len(ids), expected or 0)
            if expected is not None and len(ids) < expected:
                self._blind(
                    group.name, f"Only {len(ids)} of {expected} members were shown.", group_id=group.id
                )
                return
            self._compare(group, frozenset(ids & ours))
            self.progress.advance()

        await _each(scoped, read)

    def _note_if_passing(self, error: PlatformError) -> None:
        """A refusal is a blind spot by nature; what fails only for now leaves the run partial."""
        if isinstance(error, TryLater):
            self.trouble = self.trouble or Trouble(error.code, str(error))

    def _compare(self, group: PlatformGroup, ids: frozenset[str]) -> None:
        """Note where the group's own list and the people's lists disagree; the group's list counts."""
        for key, person in self.people.items():
            if person.user is None or person.unread or key == self.account_employee:
                continue
            if (group.id in person.group_ids) != (person.user.id in ids) and (
                group.id,
                key,
            ) not in self.asked:
                self._blind(group.name, f"The member list and {key}'s own list disagree.", group_id=group.id)
        self.members[group.id] = ids

    def _note_what_no_account_sees(self, account: Account) -> None:
        who = f"@{account.username}" if account.username else account.name
        if self.platform is Platform.SLACK:
            self._blind("Private channels", f"Private channels without {who} are invisible to every method.")
        else:
            self._blind("Other groups", f"Groups that {who} is not in are invisible.")

    def _blind(self, subject: str, reason: str, *, group_id: str = "") -> None:
        self.blind_spots.append(BlindSpot(self.platform, subject, reason, group_id=group_id))


async def _each(items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> PlatformError | None:
    """Do the work for every item, some at a time; the first error that escapes ends it.

    It is returned, or raised where it ends the whole watch.
    """
    queue = iter(items)
    failures: list[PlatformError] = []

    async def worker() -> None:
        for item in queue:  # shared: each item is taken by one worker
            if failures:
                return
            try:
                await work(item)
            except PlatformError as error:
                failures.append(error)

    await asyncio.gather(*(worker() for _ in range(_WORKERS)))
    for failure in failures:
        if isinstance(failure, _THE_END):
            raise failure
    return failures[0] if failures else None
