"""The conversations of Slack: `HistoryReader` over the Web API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from members.platforms.errors import Refused, TryLater
from members.platforms.history import Chunks, FilePlace, HistoryPage, Message, RepliesPage, micros
from members.platforms.slack import SlackReader
from members.platforms.slack_errors import BAD_ANSWER
from members.platforms.slack_files import SlackFiles, file_of
from members.platforms.slack_messages import mentioned, parse_messages, ts_of
from members.platforms.slack_parse import parse_next_cursor
from members.platforms.types import PlatformGroup, PlatformUser

MOST_STRANGERS = 300
"""How many people whom the directory leaves out are asked for one by one: anybody can write any id."""

_CLOCKS_APART = timedelta(days=1)
"""By so much Slack's clock is never ahead of ours."""


class SlackHistoryReader(SlackReader):
    """A reader of what is said as well. It asks for the workspace's people once, for their names."""

    _people: dict[str, PlatformUser | None] | None = None
    _strangers = 0

    async def history(
        self, group: PlatformGroup, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncGenerator[HistoryPage, None]:
        """conversations.history, newest first. What lies on its `oldest` or `latest` is not told.

        Both are always named together: with `oldest` alone Slack begins with what is nearest to that
        (github.com/slackhq/slack-api-docs/issues/4).
        """
        await self._load_names()
        window: dict[str, str] = {}
        if since is not None:
            window["oldest"] = ts_of(max(micros(since) - 1, 0))
            until = until or datetime.now(UTC) + _CLOCKS_APART
        if until is not None:
            window["latest"] = ts_of(micros(until))
        async with aclosing(self._web.pages("conversations.history", channel=group.id, **window)) as answers:
            async for answer in answers:
                messages = sorted(await self._messages(answer), key=_number, reverse=True)
                ended = not parse_next_cursor(answer)
                if messages or ended:
                    yield HistoryPage(
                        messages,
                        complete_from=None if ended else messages[-1].sent_at,
                        limited=answer.get("is_limited") is True,
                    )

    async def replies(
        self, group: PlatformGroup, thread: int, *, after: int | None = None
    ) -> AsyncGenerator[RepliesPage, None]:
        """conversations.replies, oldest first. It repeats the thread's first message on every page.

        A thread whose beginning is gone has no replies any more.
        """
        await self._load_names()
        window = {} if after is None else {"oldest": ts_of(after)}
        seen = {thread} if after is None else {thread, after}
        try:
            async with aclosing(
                self._web.pages("conversations.replies", channel=group.id, ts=ts_of(thread), **window)
            ) as answers:
                async for answer in answers:
                    told = await self._messages(answer)
                    fresh = [message for message in told if message.number not in seen]
                    seen |= {message.number for message in fresh}
                    yield RepliesPage(sorted(fresh, key=_number), is_last=not parse_next_cursor(answer))
        except Refused as error:
            if error.code != "thread_not_found":
                raise
            yield RepliesPage((), is_last=True)

    async def locate(self, group: PlatformGroup, places: Sequence[FilePlace]) -> Sequence[Chunks | Refused]:
        """From what the messages say of their files; files.info where they leave it to that."""
        return [await self._way_to(place) for place in places]

    async def _way_to(self, place: FilePlace) -> Chunks | Refused:
        files = SlackFiles(self._web)
        try:
            return partial(files.read, await files.locate(file_of(place.raw, place.file_id)))
        except Refused as error:
            return error

    async def _messages(self, answer: Mapping[str, Any]) -> list[Message]:
        entries = answer.get("messages")
        if not isinstance(entries, list):
            raise Refused("Slack's answer lacks the list 'messages'", code=BAD_ANSWER)
        people = self._people if self._people is not None else {}
        for user_id in sorted(mentioned(entries) - people.keys()):
            if self._strangers < MOST_STRANGERS:
                self._strangers += 1
                people[user_id] = await self._stranger(user_id)
        return parse_messages(entries, people.get)

    async def _load_names(self) -> None:
        """Everybody of the workspace, deactivated people too."""
        if self._people is None:
            self._people = {user.id: user for user in await self.users(())}

    async def _stranger(self, user_id: str) -> PlatformUser | None:
        """Somebody whom the directory leaves out: of another workspace, usually. Asked for once."""
        try:
            return await self.user_with(user_id)
        except (Refused, TryLater):
            return None


def _number(message: Message) -> int:
    return message.number
