"""Look at a few groups alone: who is in them by their own lists, and how they are set up.

The cost grows with the groups, not with the people: for a handful of them far less than a whole audit. Nobody
is looked up: whoever is known by id is found in the lists, and the rest is left to the next whole audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from audits.engine import Evaluation
from audits.observation import PersonSeen
from audits.people import Roster, is_counted, wanted
from audits.progress import Stage
from audits.rows import Verdict
from audits.scope import is_scoped
from audits.watch import Watch
from members.platforms.base import PlatformReader
from members.platforms.errors import AccountTrouble, Gone, PlatformError, Refused, TryLater
from members.platforms.types import GroupDetails, GroupKind, Platform, PlatformGroup, PlatformUser

NOT_KNOWN_YET = "Not known by an id yet: the next whole audit looks them up."
LONGEST_LIST = 1000
"""Members. Longer lists of Telegram are not read: their groups are asked for each of our people instead."""

GroupKey = tuple[Platform, str]


@dataclass(slots=True)
class _Sight:
    """What one group said of itself."""

    group: PlatformGroup
    details: GroupDetails | None = None
    members: frozenset[str] | None = None
    """The ids of our people in it, where its list was read to the end."""
    count: int = 0
    asked: dict[str, bool | None] = field(default_factory=dict)


class Look(Watch):
    """The watch of a few groups: `groups_complete` says that each of them was there or is surely gone."""

    __slots__ = ()

    async def run(self, reader: PlatformReader) -> None:
        self.account = await reader.account()
        self._introduce()
        mine = [group_id for platform, group_id in self.assignment.groups if platform is self.platform]
        self.progress.enter(Stage.MEMBERS, len(mine))
        looks = [self._look_at(reader, group_id) for group_id in dict.fromkeys(mine)]
        ends = await asyncio.gather(*looks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        self.groups_complete = all(ends)

    def _introduce(self) -> None:
        """Our people, as far as an earlier audit or somebody told who they are here."""
        for person in Roster.of(self.assignment.policy, self.platform).concerned:
            known = wanted(person, self.platform).id
            self.people[person.key] = PersonSeen(
                person.key, id=known, unresolved="" if known else NOT_KNOWN_YET
            )
            if self.account is not None and known == self.account.id:
                self.account_employee = person.key

    async def _look_at(self, reader: PlatformReader, group_id: str) -> bool:
        """Whether it is known now how the group stands. Nothing of it is kept unless all of it was read."""
        try:
            sight = await self._see(reader, await reader.group(group_id))
        except Gone:
            return True
        except (TryLater, AccountTrouble):
            raise
        except PlatformError as error:
            name = self.known[group_id].name if group_id in self.known else group_id
            self._blind(name, str(error), group_id=group_id)
            return False
        self._keep(sight)
        self.progress.advance()
        return True

    async def _see(self, reader: PlatformReader, group: PlatformGroup) -> _Sight:
        sight = _Sight(group)
        if group.archived or group.superseded_by is not None:
            return sight
        if group.platform is Platform.SLACK or (group.total_members or 0) <= LONGEST_LIST:
            await self._read_list(reader, sight)
        if sight.members is None:
            await self._ask_each(reader, sight)
        if group.kind is GroupKind.SUPERGROUP:
            sight.details = await reader.details(group)
        return sight

    async def _read_list(self, reader: PlatformReader, sight: _Sight) -> None:
        """The member list; nothing where it is hidden, or shown in part."""
        ids: set[str] = set()
        expected: int | None = None
        try:
            async for page in reader.members(sight.group):
                ids |= page.ids
                expected = page.expected if page.expected is not None else expected
        except Gone:
            raise
        except Refused:
            return
        if expected is None or len(ids) >= expected:
            ours = {person.id for person in self.people.values() if person.id is not None}
            sight.members, sight.count = frozenset(ids & ours), len(ids)

    async def _ask_each(self, reader: PlatformReader, sight: _Sight) -> None:
        """Ask the group for each of our people whom somebody counts on."""
        counted = {person.key for person in self.assignment.policy.people if is_counted(person)}
        for key, person in self.people.items():
            if person.id is None or key == self.account_employee:
                continue
            sight.asked[key] = None
            if key in counted:
                try:
                    user = PlatformUser(self.platform, person.id)
                    sight.asked[key] = await reader.is_member(sight.group, user)
                except Gone:
                    raise
                except Refused as error:
                    self._blind(
                        sight.group.name,
                        f"Whether {key} is in it could not be asked: {error}",
                        group_id=sight.group.id,
                    )

    def _keep(self, sight: _Sight) -> None:
        group = sight.group
        if group.superseded_by is not None:
            self.superseded[group.id] = group.superseded_by
            return
        self.groups[group.id] = group
        self.asked |= {(group.id, key): answer for key, answer in sight.asked.items()}
        if sight.members is not None:
            self.members[group.id], self.member_counts[group.id] = sight.members, sight.count
        if sight.details is not None and self._is_scoped(group):
            self.details[group.id] = sight.details
            if sight.details.migrated_from is not None:
                self.superseded[sight.details.migrated_from] = group.id

    def _is_scoped(self, group: PlatformGroup) -> bool:
        return is_scoped(group, self.observation(), self.assignment.policy, self.known)


def narrowed(evaluation: Evaluation, groups: tuple[GroupKey, ...]) -> Evaluation:
    """The same, with nothing said of anything but `groups`, and of those alone that were seen or are gone."""
    seen = {part.platform: part for part in evaluation.observation.platforms}
    moved = {(part.platform, old) for part in seen.values() for old in part.superseded}
    only = frozenset(groups) | moved

    def settled(key: GroupKey) -> bool:
        part = seen.get(key[0])
        return key in only and part is not None and (part.groups_complete or key[1] in part.groups)

    rows = tuple(
        row for row in evaluation.rows if settled((row.platform, row.id)) and row.verdict is not Verdict.ERROR
    )
    told: Mapping[GroupKey, object] = {(row.platform, row.id): row for row in rows}
    return replace(
        evaluation,
        rows=rows,
        problems={
            key: text
            for key, text in evaluation.problems.items()
            if key.group_id and (key.platform, key.group_id) in told
        },
        archived=tuple(group for group in evaluation.archived if (group.platform, group.id) in only),
        blind_spots=tuple(
            spot
            for spot in evaluation.blind_spots
            if (spot.platform, spot.group_id) in only or spot.subject == spot.platform.label
        ),
        void_groups={key: reason for key, reason in evaluation.void_groups.items() if key in only},
        only=only,
    )
