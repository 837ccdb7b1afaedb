"""Looking for people on one platform, in an event loop: their accounts, their groups, their standing there.

What was learnt before an error, or before the time was over, is kept and told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from members.identity import Resolved, resolve
from members.platforms.errors import AccountTrouble, PlatformError, Refused
from members.platforms.types import Platform, PlatformGroup, PlatformUser, Standing, Wanted
from telegram_ops.references import Sought
from telegram_ops.sightings import Look, Sighting, doubtful, own_standing, with_own_rights

if TYPE_CHECKING:
    from members.platforms.slack import SlackReader
    from members.platforms.telegram import TelegramReader

T = TypeVar("T")


class Depth(StrEnum):
    """How much to ask of each group that somebody is in; on Telegram that is one call a group."""

    LISTS = "lists"
    """Nothing."""
    WHERE_WE_ACT = "where_we_act"
    """What they are there, in the groups that we may take people out of."""
    ALL = "all"


@dataclass(slots=True)
class _Draft:
    """What is known of one person so far."""

    user: PlatformUser | None = None
    groups: dict[str, PlatformGroup] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    trouble: str = ""
    account_trouble: bool = False

    def note(self, error: PlatformError) -> None:
        """The first trouble is told."""
        self.trouble = self.trouble or str(error)
        self.account_trouble |= isinstance(error, AccountTrouble)

    def look(self, platform: Platform, own_id: str) -> Look:
        sightings = (Sighting(group, self.standings.get(key)) for key, group in self.groups.items())
        return Look(
            platform,
            self.user,
            tuple(sightings),
            trouble=self.trouble,
            account_trouble=self.account_trouble,
            own_id=own_id,
        )


async def look_on_telegram(
    reader: TelegramReader,
    people: Sequence[Sought],
    *,
    depth: Depth,
    hides: Mapping[str, bool],
    seconds: float,
) -> list[Look]:
    """A look for each of `people`, in their order; `hides` says of groups, by id, whether they hide members.

    A page of dialogs and a page of common groups for each hundred, and one call for each group that has to
    be asked. Raises PlatformError when we cannot even connect.
    """
    drafts = [_Draft() for _ in people]
    own_id = ""
    search = _TelegramSearch(reader, depth, hides)
    try:
        async with asyncio.timeout(seconds):
            async with reader:
                own_id = (await reader.account()).id
                await search.run(people, drafts)
    except TimeoutError:
        _note_all(drafts, f"Telegram took longer than {seconds:.0f} seconds: the list may be incomplete.")
    return [draft.look(Platform.TELEGRAM, own_id) for draft in drafts]


async def look_on_slack(reader: SlackReader, people: Sequence[Sought], *, seconds: float) -> list[Look]:
    """The same on Slack, where a channel knows members alone. Archived channels are left out."""
    drafts = [_Draft() for _ in people]
    own_id = ""
    try:
        async with asyncio.timeout(seconds):
            async with reader:
                own_id = (await reader.account()).id
                await _SlackSearch(reader, own_id).run(people, drafts)
    except TimeoutError:
        _note_all(drafts, f"Slack took longer than {seconds:.0f} seconds: the list may be incomplete.")
    return [draft.look(Platform.SLACK, own_id) for draft in drafts]


class _TelegramSearch:
    def __init__(self, reader: TelegramReader, depth: Depth, hides: Mapping[str, bool]) -> None:
        self._reader = reader
        self._depth = depth
        self._hides = dict(hides)

    async def run(self, people: Sequence[Sought], drafts: Sequence[_Draft]) -> None:
        wanted = [person.wanted(Platform.TELEGRAM) for person in people]
        ours: list[PlatformGroup] = []
        listing = asyncio.create_task(_tried(_collect(self._reader.groups(), ours)))
        try:
            users = await self._reader.users(wanted)
            _, trouble = await listing
        finally:
            listing.cancel()
        for person, draft in zip(wanted, drafts, strict=True):
            draft.user = _telegram_user(person, users)
            if trouble is not None:
                draft.note(trouble)
            if draft.user is None:
                draft.trouble = _why_nobody(person, self._reader.lookup_failures.get(person.key))
        await asyncio.gather(*(self._look(draft, ours) for draft in drafts if draft.user is not None))

    async def _look(self, draft: _Draft, ours: Sequence[PlatformGroup]) -> None:
        """Fill in the groups, those that their own list does not show included, and the standings."""
        user = draft.user
        if user is None:
            return
        if user.id == (await self._reader.account()).id:
            await self._look_at_ourselves(draft, user, ours)
            return
        if not user.is_bot:
            await self._read_list(draft, user)
        candidates = {group.id: group for group in doubtful(ours, draft.groups, user, self._hides)}
        for key, standing in (await self._ask(draft, user, candidates.values())).items():
            if standing.present:
                draft.groups[key], draft.standings[key] = candidates[key], standing
        if self._depth is not Depth.LISTS:
            unread = (group for key, group in draft.groups.items() if key not in draft.standings)
            asked = [group for group in unread if self._depth is Depth.ALL or group.may_remove]
            draft.standings |= await self._ask(draft, user, asked)

    async def _look_at_ourselves(
        self, draft: _Draft, user: PlatformUser, ours: Sequence[PlatformGroup]
    ) -> None:
        groups = [group for group in ours if group.superseded_by is None]
        draft.groups |= {group.id: group for group in groups}
        draft.standings |= {group.id: known for group in groups if (known := own_standing(group)) is not None}
        if self._depth is Depth.ALL:
            draft.standings |= await self._ask(draft, user, groups)

    async def _read_list(self, draft: _Draft, user: PlatformUser) -> None:
        try:
            async for page in self._reader.groups_of(user):
                draft.groups |= {group.id: group for group in page}
        except PlatformError as error:
            draft.note(error)

    async def _ask(
        self, draft: _Draft, user: PlatformUser, groups: Iterable[PlatformGroup]
    ) -> dict[str, Standing]:
        """What each of `groups` says of them, by group id. One that does not tell is left out."""
        asked = list(groups)
        answers = await asyncio.gather(*(_tried(self._reader.standing(group, user)) for group in asked))
        standings = {}
        for group, (standing, error) in zip(asked, answers, strict=True):
            if standing is not None:
                standings[group.id] = standing
            elif error is not None and not isinstance(error, Refused):
                draft.note(error)
        return standings


class _SlackSearch:
    def __init__(self, reader: SlackReader, own_id: str) -> None:
        self._reader = reader
        self._own = PlatformUser(Platform.SLACK, own_id)

    async def run(self, people: Sequence[Sought], drafts: Sequence[_Draft]) -> None:
        wanted = [person.wanted(Platform.SLACK) for person in people]
        by_name = [person for person in wanted if not person.id]
        ours: list[PlatformGroup] = []
        _, named = await asyncio.gather(
            _collect(self._reader.groups_of(self._own), ours), self._directory(by_name)
        )
        joined = {group.id: group for group in ours if not group.archived}
        await asyncio.gather(
            *(self._look(person, draft, joined, named) for person, draft in zip(wanted, drafts, strict=True))
        )

    async def _directory(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """Everybody, where somebody is known by a name alone."""
        return await self._reader.users(wanted) if wanted else ()

    async def _look(
        self,
        person: Wanted,
        draft: _Draft,
        joined: Mapping[str, PlatformGroup],
        named: Sequence[PlatformUser],
    ) -> None:
        try:
            if person.id:
                draft.user = await self._reader.user_with(person.id)
                draft.trouble = "" if draft.user else f"Slack knows nobody with the id {person.id}."
            else:
                resolution = resolve(person, named)
                draft.user = resolution.user
                draft.trouble = "" if isinstance(resolution, Resolved) else resolution.reason
            if draft.user is None:
                return
            async for page in self._reader.groups_of(draft.user):
                draft.groups |= {
                    group.id: with_own_rights(group, joined) for group in page if not group.archived
                }
            if draft.user.external:
                await self._ask_shared(draft, draft.user, joined.values())
        except PlatformError as error:
            draft.note(error)

    async def _ask_shared(self, draft: _Draft, user: PlatformUser, joined: Collection[PlatformGroup]) -> None:
        """How Slack Connect people behave as `user=` is not documented: the shared channels tell."""
        asked = [group for group in joined if group.shared_externally and group.id not in draft.groups]
        answers = await asyncio.gather(*(_tried(self._reader.is_member(group, user)) for group in asked))
        for group, (inside, error) in zip(asked, answers, strict=True):
            if inside:
                draft.groups[group.id] = with_own_rights(group, [group.id])
            elif error is not None:
                draft.note(error)


def _telegram_user(wanted: Wanted, users: Iterable[PlatformUser]) -> PlatformUser | None:
    """The id decides, where one is known; bots and deleted accounts count as well."""
    name = (wanted.username or "").casefold()
    for user in users:
        if user.id == wanted.id if wanted.id else name in map(str.casefold, user.usernames):
            return user
    return None


def _why_nobody(wanted: Wanted, failure: PlatformError | None) -> str:
    if failure is not None:
        return str(failure)
    if wanted.id:
        return (
            f"Telegram does not lead this account to the id {wanted.id}: it has met them nowhere. "
            "Write their username."
        )
    return f"Nobody on Telegram has the username @{wanted.username}."


def _note_all(drafts: Iterable[_Draft], trouble: str) -> None:
    for draft in drafts:
        draft.trouble = draft.trouble or trouble


async def _collect(pages: AsyncIterable[Sequence[PlatformGroup]], into: list[PlatformGroup]) -> None:
    """What comes before an error is kept."""
    async for page in pages:
        into += page


async def _tried(work: Coroutine[Any, Any, T]) -> tuple[T | None, PlatformError | None]:
    """What came of it, or what was in the way."""
    try:
        return await work, None
    except PlatformError as error:
        return None, error
