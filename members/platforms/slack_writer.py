"""The write side of Slack: `PlatformWriter` over the Web API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from members.platforms.errors import AccountTrouble, PlatformError, Refused, TryLater
from members.platforms.history import micros
from members.platforms.outcomes import Outcome, Reply
from members.platforms.slack import SlackReader
from members.platforms.slack_messages import ts_of
from members.platforms.slack_names import channel_name
from members.platforms.slack_outcomes import DONE, concerns_everybody, refusal, refusals, replies, reply_to
from members.platforms.slack_parse import (
    parse_channel_info,
    parse_opened,
    parse_stored_name,
    parse_texts,
)
from members.platforms.slack_uploads import Upload, upload
from members.platforms.text import storable
from members.platforms.types import Platform, PlatformGroup, PlatformUser, Privacy, Wanted
from members.platforms.writing import InDoubt

_NO_LINKS = Reply(
    Outcome.REFUSED,
    "Slack has no invite links to a channel: ask somebody in it to add the person there",
)


class SlackWriter(SlackReader):
    """A reader that changes channels as well.

    Besides replies, every method raises AccountTrouble ("missing_scope" names the scope), TryLater,
    and InDoubt. Nothing is sent again after InDoubt: read the channel first.
    """

    largest_invitation: int = 100
    """docs.slack.dev/reference/methods/conversations.invite"""

    async def people(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """No call: to Slack an id says it all."""
        return [PlatformUser(Platform.SLACK, person.id) for person in wanted if person.id]

    async def invite(self, group: PlatformGroup, users: Sequence[PlatformUser]) -> Mapping[str, Reply]:
        """conversations.invite, all in one call; a public channel that we are not in is joined first.

        When Slack refuses without saying whom, nobody knows who was added: some refusals come
        although the others were (…/conversations.invite#errors). Then the member list decides, and
        those who are not on it are invited again: together without those whom Slack named, and one by
        one when it named nobody. So there are at most two calls a person, and the member lists.
        """
        if len(users) > self.largest_invitation:
            raise ValueError(f"at most {self.largest_invitation} people at a time")
        settled: dict[str, Reply] = {}
        waiting = list(dict.fromkeys(user.id for user in users))
        at_once = len(waiting)
        try:
            while waiting:
                invited = waiting[:at_once]
                answer = await self._invite(group, invited)
                told = replies(answer, invited)
                settled |= told
                if unclear := [user for user in invited if user not in told]:
                    settled |= await self._found_inside(group, unclear, refusal(answer))
                    at_once = at_once if told else 1
                waiting = [user for user in waiting if user not in settled]
        except PlatformError as error:
            error.settled = settled
            raise
        return settled

    async def remove(self, group: PlatformGroup, user: PlatformUser) -> Reply:
        """conversations.kick."""
        answer = await self._web.write("conversations.kick", channel=group.id, user=user.id)
        word = refusals(answer).get(user.id) or refusal(answer)
        if word != "not_in_channel":
            return reply_to(word) if word else DONE
        # Slack says this of the person and of ourselves alike.
        try:
            inside = await self.is_member(group, user)
        except Refused:
            inside = True
        return reply_to(word) if inside else Reply(Outcome.ALREADY_GONE)

    async def group_now(self, group: PlatformGroup) -> PlatformGroup:
        """conversations.info."""
        return parse_channel_info(await self._web.call("conversations.info", channel=group.id))

    async def rename(self, group: PlatformGroup, name: str) -> tuple[Reply, str]:
        """conversations.rename to what `slack_names.channel_name` makes of `name`."""
        answer = await self._web.write("conversations.rename", channel=group.id, name=channel_name(name))
        if word := refusal(answer):
            return reply_to(word), group.name
        return DONE, parse_stored_name(answer) or channel_name(name)

    async def send(self, target: PlatformUser | PlatformGroup, text: str, *, once: str = "") -> Reply:
        """Plain text to a person (conversations.open, then as `post`) or into a channel.

        Slack documents no name by which it would know a repetition: `once` does nothing here.
        """
        if isinstance(target, PlatformGroup):
            return await self.post(target.id, text)
        try:
            answer = await self._web.call("conversations.open", users=target.id)
        except Refused as error:
            return reply_to(error.code)
        return await self.post(parse_opened(answer), text)

    async def sent_to(self, user: PlatformUser, *, since: datetime) -> Sequence[str]:
        """Raises Refused: the token's scopes do not let it read direct messages, and need not."""
        raise Refused("Direct messages on Slack are not read", code="not_read")

    async def invite_link(self, group: PlatformGroup) -> tuple[Reply, str]:
        return _NO_LINKS, ""

    async def revoke_link(self, group: PlatformGroup, link: str) -> Reply:
        return _NO_LINKS

    async def post(self, channel_id: str, text: str) -> Reply:
        """chat.postMessage: plain text, in which nothing is markup and nobody is mentioned."""
        answer = await self._web.write(
            "chat.postMessage", channel=channel_id, text=_escape(text), mrkdwn="false"
        )
        word = refusal(answer)
        return reply_to(word) if word else DONE

    async def post_files(self, channel_id: str, text: str, uploads: Sequence[Upload]) -> Reply:
        """files.completeUploadExternal: the files as one message, with `text` above them.

        Slack offers no way to keep markup out of that text; mentions and links are kept out as in `post`.
        """
        entries = await upload(self._web, uploads)
        answer = await self._web.write(
            "files.completeUploadExternal",
            files=json.dumps(entries),
            channel_id=channel_id,
            initial_comment=_escape(text),
        )
        word = refusal(answer)
        return reply_to(word) if word else DONE

    async def posted_since(self, channel_id: str, since: datetime) -> Sequence[str]:
        """conversations.history: the texts in a channel since then. Raises AccountTrouble where the token
        may not read it."""
        window = {"oldest": ts_of(max(micros(since) - 1, 0))}
        async with aclosing(
            self._web.pages("conversations.history", channel=channel_id, **window)
        ) as answers:
            return [text async for answer in answers for text in parse_texts(answer)]

    async def _invite(self, group: PlatformGroup, user_ids: Sequence[str]) -> dict[str, Any]:
        arguments = {"channel": group.id, "users": ",".join(user_ids)}
        if len(user_ids) > 1:
            arguments["force"] = "true"  # invite those who can be, whoever else cannot
        answer = await self._web.write("conversations.invite", **arguments)
        if refusal(answer) != "not_in_channel" or group.privacy is not Privacy.PUBLIC:
            return answer
        joined = await self._web.write("conversations.join", channel=group.id)
        if word := refusal(joined):
            return joined if concerns_everybody(word) else answer
        return await self._web.write("conversations.invite", **arguments)

    async def _found_inside(
        self, group: PlatformGroup, user_ids: Sequence[str], word: str
    ) -> dict[str, Reply]:
        """Those who are in the channel after an invitation that Slack refused with `word`."""
        inside: set[str] = set()
        try:
            async for page in self.members(group):
                inside |= page.ids
        except Refused:
            return {}
        except (TryLater, AccountTrouble) as error:
            message = f"Slack did not tell who was added, and its member list is out of reach ({error})"
            seconds = error.seconds if isinstance(error, TryLater) else 0.0
            raise InDoubt(message, code=error.code, seconds=seconds) from None
        reply = reply_to(word)
        return dict.fromkeys(inside.intersection(user_ids), reply if reply.success else DONE)


def _escape(text: str) -> str:
    """docs.slack.dev/messaging/formatting-message-text#escaping: names may hold "<!channel>"."""
    return storable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
