"""What several connections saw of one platform, as one observation that the engine judges unchanged. Pure.

A group that two of them see counts once, and is reached through the one with more rights. Somebody is in it
if any of them saw so; they are not if all that see the group prove it. Where a connection could not look,
nothing is said of its groups: others may see them under another name, and with fewer rights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audits.observation import (
    BlindSpot,
    KnownGroup,
    Observation,
    PersonSeen,
    PlatformObservation,
    Trouble,
)
from members.platforms.types import AdminStatus, CallCount, History, Platform, PlatformGroup

_RIGHTS = (
    AdminStatus.UNKNOWN,
    AdminStatus.NOT_APPLICABLE,
    AdminStatus.MEMBER,
    AdminStatus.ADMIN,
    AdminStatus.ADMIN_CAN_RENAME,
    AdminStatus.OWNER,
)
"""From the least to the most."""


def merge_connections(observation: Observation, known: Iterable[KnownGroup] = ()) -> Observation:
    """One observation for each platform. `known` are the groups that earlier runs stored."""
    by_platform: dict[Platform, list[PlatformObservation]] = {}
    for part in observation.platforms:
        by_platform.setdefault(part.platform, []).append(part)
    stored = list(known)
    return replace(
        observation,
        platforms=tuple(
            merge(parts, {group.id: group.connection for group in stored if group.platform is platform})
            for platform, parts in by_platform.items()
        ),
    )


def merge(parts: Sequence[PlatformObservation], ways: Mapping[str, str] | None = None) -> PlatformObservation:
    """What the connections to one platform saw together; one alone stays as it is.

    `ways` tells through which connection each group was reached so far. The order of `parts` says nothing.
    """
    if len(parts) == 1:
        return parts[0]
    before = ways or {}
    parts = _without_clashes(sorted(parts, key=lambda part: part.connection), before)
    parts = _without_groups_of_the_blind(parts, before)
    people = _people(parts)
    superseded = {old: new for part in reversed(parts) for old, new in part.superseded.items()}
    seen_by = _seen_by(parts, superseded)
    through = {group_id: _best(group_id, sights) for group_id, sights in seen_by.items()}
    groups = {group_id: _joined(group_id, through[group_id], seen_by[group_id]) for group_id in seen_by}
    return MergedObservation(
        platform=parts[0].platform,
        account=next((part.account for part in parts if part.account is not None), None),
        account_employee=next((part.account_employee for part in parts if part.account_employee), None),
        groups=groups,
        groups_complete=all(part.groups_complete for part in parts),
        superseded=superseded,
        vanished={
            group_id: group
            for part in reversed(parts)
            for group_id, group in part.vanished.items()
            if group_id not in groups and group_id not in superseded
        },
        people=people,
        met={key: user for part in reversed(parts) for key, user in part.met.items()},
        details={
            group_id: part.details[group_id]
            for group_id, best in through.items()
            for part in (*(part for part in reversed(seen_by[group_id]) if part is not best), best)
            if group_id in part.details
        },
        member_counts={
            group_id: count
            for group_id in groups
            if (count := max(part.member_counts.get(group_id, 0) for part in seen_by[group_id]))
        },
        blind_spots=tuple(dict.fromkeys(spot for part in parts for spot in _blind_spots(part, people))),
        cost=_cost(parts),
        trouble=_trouble(parts),
        parts=tuple(parts),
        through={group_id: part.connection for group_id, part in through.items()},
        before=before,
    )


@dataclass(frozen=True, slots=True)
class MergedObservation(PlatformObservation):
    """Several connections' word on one platform: who is where is asked of each that sees the group."""

    parts: tuple[PlatformObservation, ...] = ()
    through: Mapping[str, str] = field(default_factory=dict)
    """Group id → the connection through which it is reached."""
    before: Mapping[str, str] = field(default_factory=dict)
    """The same, as it was before this run."""

    @property
    def by_connection(self) -> tuple[PlatformObservation, ...]:
        return self.parts

    def way_to(self, group_id: str) -> str:
        return self.through.get(group_id, self.before.get(group_id, ""))

    def presence(self, group_id: str, key: str) -> bool | None:
        """Any proof of presence counts; absence takes the word of all that see the group."""
        told = [part.presence(group_id, key) for part in self._that_see(group_id)]
        if any(told):
            return True
        if not told or None in told or self._may_be_seen_by_others(group_id):
            return None
        return False

    def is_unread(self, group_id: str, key: str) -> bool:
        open_to = [part for part in self._that_see(group_id) if part.presence(group_id, key) is None]
        return not open_to or any(part.is_unread(group_id, key) for part in open_to)

    def was_looked_for(self, key: str) -> bool:
        return all(part.was_looked_for(key) for part in self.parts)

    def groups_of(self, key: str) -> frozenset[str]:
        hinted = frozenset[str]().union(*(part.groups_of(key) for part in self.parts))
        return frozenset(group_id for group_id in hinted if self.presence(group_id, key))

    def _that_see(self, group_id: str) -> list[PlatformObservation]:
        """Those whose own list has the group; else those to which it vanished meanwhile."""
        listing = [part for part in self.parts if group_id in part.groups]
        return listing or [part for part in self.parts if group_id in part.vanished]

    def _may_be_seen_by_others(self, group_id: str) -> bool:
        """Whether a connection whose list is not whole may know more of a shared channel."""
        group = self.groups.get(group_id)
        return (
            group is not None
            and group.shared_externally
            and any(not part.groups_complete and group_id not in part.groups for part in self.parts)
        )


def _without_clashes(
    parts: Iterable[PlatformObservation], before: Mapping[str, str]
) -> list[PlatformObservation]:
    """The parts, in each of them only channels that are what the others call so.

    An id of Slack's is unique within a workspace (docs.slack.dev/apis/web-api/using-the-conversations-api).
    The same one in two workspaces is one channel that both share: Slack Connect says so on both sides, and in
    an organization it was made at the same second. Else the one that was known before stays, or that of the
    first connection, and the other one is left out and named.
    """
    clean = list(parts)
    seen = Counter(group_id for part in clean for group_id in part.groups)
    for group_id in (group_id for group_id, count in seen.items() if count > 1):
        those = [at for at, part in enumerate(clean) if group_id in part.groups]
        kept = next((at for at in those if clean[at].connection == before.get(group_id)), those[0])
        for at in those:
            if at != kept and not _is_same(group_id, clean[kept], clean[at]):
                clean[at] = _left_out(group_id, clean[at], clean[kept].groups[group_id])
    return clean


def _without_groups_of_the_blind(
    parts: Sequence[PlatformObservation], before: Mapping[str, str]
) -> list[PlatformObservation]:
    """The parts, in each of them only groups whose own connection listed them too, or listed all it sees."""
    blind = {part.connection: part.groups.keys() for part in parts if not part.groups_complete}

    def is_told(group_id: str) -> bool:
        own = before.get(group_id)
        return own not in blind or group_id in blind[own]

    def told(groups: Mapping[str, PlatformGroup]) -> dict[str, PlatformGroup]:
        return {group_id: group for group_id, group in groups.items() if is_told(group_id)}

    if not blind:
        return list(parts)
    return [replace(part, groups=told(part.groups), vanished=told(part.vanished)) for part in parts]


def _is_same(group_id: str, one: PlatformObservation, other: PlatformObservation) -> bool:
    if one.platform is not Platform.SLACK:
        return True  # Telegram's ids are the same for every account
    homes = {part.account.workspace_id for part in (one, other) if part.account is not None}
    here, there = one.groups[group_id], other.groups[group_id]
    shared = here.shared_externally and there.shared_externally
    of_one_birth = here.created_at is not None and here.created_at == there.created_at
    return len(homes) == 1 or shared or of_one_birth


def _left_out(group_id: str, part: PlatformObservation, kept: PlatformGroup) -> PlatformObservation:
    name = part.groups[group_id].name
    reason = (
        f"Its id {group_id} is that of {kept.name} in another workspace, and they are not one shared "
        f"channel: it is not audited."
    )
    groups = {each: group for each, group in part.groups.items() if each != group_id}
    spots = (*part.blind_spots, BlindSpot(part.platform, name, reason))
    return replace(part, groups=groups, blind_spots=spots)


def _seen_by(
    parts: Iterable[PlatformObservation], superseded: Mapping[str, str]
) -> dict[str, list[PlatformObservation]]:
    seen_by: dict[str, list[PlatformObservation]] = {}
    for part in parts:
        for group_id in part.groups:
            if group_id not in superseded:
                seen_by.setdefault(group_id, []).append(part)
    return seen_by


def _best(group_id: str, sights: Sequence[PlatformObservation]) -> PlatformObservation:
    """The part with the most rights in the group, the first of several."""

    def rights(part: PlatformObservation) -> tuple[bool, int, int]:
        group = part.groups[group_id]
        allowed = group.may_invite + group.may_remove + group.may_rename
        return group.joined, _RIGHTS.index(group.admin_status), allowed

    return max(sights, key=rights)


def _joined(group_id: str, best: PlatformObservation, sights: Sequence[PlatformObservation]) -> PlatformGroup:
    """The group as its best connection sees it, with what only others were told."""
    group = best.groups[group_id]
    others = [part.groups[group_id] for part in sights if part is not best]
    counts = (other.total_members for other in others if other.total_members is not None)
    histories = (other.history for other in others if other.history is not History.UNKNOWN)
    if group.total_members is None:
        group = replace(group, total_members=max(counts, default=None))
    if group.history is History.UNKNOWN:
        group = replace(group, history=next(histories, History.UNKNOWN))
    return group


def _people(parts: Sequence[PlatformObservation]) -> dict[str, PersonSeen]:
    keys = dict.fromkeys(key for part in parts for key in part.people)
    return {
        key: _person(key, [(part, part.people[key]) for part in parts if key in part.people]) for key in keys
    }


def _person(key: str, sights: Sequence[tuple[PlatformObservation, PersonSeen]]) -> PersonSeen:
    """Somebody as the first connection knows them, before all one for which they have changed their name.

    On Telegram everybody is the same for all accounts: who is known to one of them is known.
    """
    found = [person for _, person in sights if person.user is not None]
    changed = [person for person in found if person.changed_from is not None]
    main = next(iter((*changed, *found)), sights[0][1])

    def why(reason: Callable[[PersonSeen], str]) -> str:
        return "; ".join(
            dict.fromkeys(_told_by(part, reason(person)) for part, person in sights if reason(person))
        )

    one_identity = sights[0][0].platform is Platform.TELEGRAM
    return replace(
        main,
        unresolved="" if found and one_identity else why(lambda person: person.unresolved),
        unread=why(lambda person: person.unread),
        nowhere=all(person.nowhere for _, person in sights),
        group_ids=frozenset[str]().union(*(person.group_ids for _, person in sights)),
    )


def _told_by(part: PlatformObservation, text: str) -> str:
    return f"{part.label}: {text}" if part.label else text


def _blind_spots(part: PlatformObservation, people: Mapping[str, PersonSeen]) -> Iterator[BlindSpot]:
    """Its own, and whom it alone could not find."""
    for spot in part.blind_spots:
        yield replace(spot, reason=_told_by(part, spot.reason))
    for key, person in part.people.items():
        if person.unresolved and not people[key].unresolved:
            yield BlindSpot(part.platform, key, _told_by(part, person.unresolved), employee=key)


def _cost(parts: Iterable[PlatformObservation]) -> CallCount:
    calls: Counter[str] = Counter()
    for part in parts:
        calls.update(part.cost.calls)
    return CallCount(dict(sorted(calls.items())), sum(part.cost.waited_seconds for part in parts))


def _trouble(parts: Sequence[PlatformObservation]) -> Trouble | None:
    """What kept any of them from looking. The account as such is in trouble only if no other one works."""
    troubles = [(part, part.trouble) for part in parts if part.trouble is not None]
    if not troubles:
        return None
    return Trouble(
        code=troubles[0][1].code,
        message="; ".join(_told_by(part, trouble.message) for part, trouble in troubles),
        account=len(troubles) == len(parts) and any(trouble.account for _, trouble in troubles),
        sign_in=any(trouble.sign_in for _, trouble in troubles),
    )
