"""Writing to people: one message to one person per step, with invite links made right before it is sent.

A step (`message_step`) says whom, the text, and from when on a message that says the same counts as this
one. A kind whose steps are messages connects with `MessageExecutor`, and has for its `describe`
`Letter.of(arguments).preview()`. Two sorts build on it: invite links for whom nobody may add, where a step
names groups in `invite_to`; and requests, for example to groups' owners, where the text itself names all
the groups of one owner, and the step needs none:

    owner = Target(Platform.TELEGRAM, "", "", subject="812", subject_name="Olga Example", user_id="812")
    message_step(owner, "Dear Olga, please make us an admin in Acme and Beta.", since=now, groups=["7", "8"])

(`groups` is a note of the planner's own: stored in the step's arguments, and not looked at here.)

A message cannot be taken back and must not come twice. So the conversation is read right before it is
written into, and again when an answer was lost; what it shows as sent since then is not sent again, by a
retry neither. Where a platform does not let us read it, nobody can tell, and a person has to look.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from members.operations.people import NO_PERSON, PeopleBook
from members.operations.plan import PlannedStep, Target
from members.platforms.errors import PlatformError, RateLimited, Refused, TryLater
from members.platforms.outcomes import Outcome
from members.platforms.types import PlatformGroup, PlatformUser
from members.platforms.writing import InDoubt, PlatformWriter, Reply

MESSAGE = "message"

LINKS = "{links}"
"""Where in a text the links stand, a line each; at its end where it has no such place."""

INVITED_TO = "invited_to"
"""In a step's `after`: the ids of the groups that the message had links to, with spaces between them."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""By so much the platform's clock may be behind ours."""

_LINK_TO_COME = "(a link for them alone, made when it is sent)"
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class GroupToJoin:
    """A group that a message invites to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What one step is to write. Pure."""

    text: str
    invite_to: tuple[GroupToJoin, ...] = ()

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Letter:
        """What `message_step` has put into a step."""
        groups = (GroupToJoin(group["id"], group["name"]) for group in arguments.get("invite_to", ()))
        return cls(arguments["text"], tuple(groups))

    def with_links(self, links: Mapping[str, str]) -> str:
        """The text as it is sent: `links` by group id; groups without one are left out."""
        lines = [f"{group.name}: {links[group.id]}" for group in self.invite_to if group.id in links]
        before, after = self._around()
        return (before + "\n".join(lines) + after).strip()

    def preview(self) -> str:
        """The text as far as it is known before it is sent."""
        return self.with_links({group.id: _LINK_TO_COME for group in self.invite_to})

    def is_said_by(self, text: str) -> bool:
        """Whether `text` is this letter, with links to all or some of its groups.

        Only words are compared: platforms trim and tidy what they are sent, and links differ each time.
        """
        before, after = self._around()
        lines = "".join(f"(?:{re.escape(_words(f'{group.name}: https://x'))})?" for group in self.invite_to)
        pattern = re.escape(_words(before)) + lines + re.escape(_words(after))
        return re.fullmatch(pattern, _words(text)) is not None

    def _around(self) -> tuple[str, str]:
        """What stands before the links and after them."""
        if not self.invite_to:
            return self.text, ""
        text = self.text if LINKS in self.text else f"{self.text}\n\n{LINKS}"
        before, _, after = text.partition(LINKS)
        return before, after


def message_step(
    target: Target,
    text: str,
    *,
    since: datetime,
    invite_to: Sequence[GroupToJoin] = (),
    **notes: Any,
) -> PlannedStep:
    """One message to the person of `target`, who needs no group: that and its name may be "".

    `since` (aware) is from when on a message of ours that says the same counts as this one: the time of
    planning, or earlier where nothing may be said twice within a while. `notes`, in JSON types, are the
    planner's own; they must not be called like what is here.
    """
    arguments = {
        "text": text,
        "since": since.isoformat(),
        "invite_to": [{"id": group.id, "name": group.name} for group in invite_to],
    }
    return PlannedStep(MESSAGE, target, notes | arguments)


class MessageExecutor:
    """Looks, makes the links, sends. Links of a message that did not go out are revoked."""

    def __init__(
        self, writer: PlatformWriter, groups: Mapping[str, PlatformGroup], people: PeopleBook
    ) -> None:
        self._writer = writer
        self._groups = groups
        self._people = people
        self._sent: set[str] = set()
        """The messages whose sending the platform has confirmed to us: no reading tells more."""

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        """Not `thorough`, nobody is asked: `apply` looks at each conversation right before it writes."""
        await self._people.find(steps)
        if not thorough:
            return [None] * len(steps)
        return await asyncio.gather(*(self._is_sent(step) for step in steps))

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        (step,) = batch
        await self._people.find(batch)
        user = self._people.get(step.target.user_id)
        if user is None:
            return [NO_PERSON]
        if await self._is_sent(step):
            return [_SENT_BEFORE]
        reply = await self._write(step, user)
        if reply.outcome is Outcome.DONE:
            self._sent.add(_name_of(step))
        return [reply]

    async def _write(self, step: PlannedStep, user: PlatformUser) -> Reply:
        letter = Letter.of(step.arguments)
        offers = _Offers(self._writer)
        try:
            if letter.invite_to:
                await self._make_links(offers, letter, user)
                if not offers.links:
                    return offers.why_none()
            reply = await self._writer.send(user, letter.with_links(offers.links), once=_name_of(step))
        except PlatformError as error:
            # in doubt it may have arrived, and then its links have to work; an outage revokes nothing
            if isinstance(error, RateLimited) or not isinstance(error, TryLater):
                await offers.revoke()
            raise
        if not reply.success:
            await offers.revoke()
            return reply
        if not letter.invite_to:
            return reply
        return Reply(reply.outcome, offers.described(), after={INVITED_TO: " ".join(offers.links)})

    async def _make_links(self, offers: _Offers, letter: Letter, user: PlatformUser) -> None:
        theirs = await self._people.groups_of(user.id) or ()  # unreadable: a link too many does no harm
        for wanted in letter.invite_to:
            if wanted.id in theirs:
                offers.leave_out(wanted, _IS_MEMBER)
            elif wanted.id in self._groups:
                await offers.add(wanted, self._groups[wanted.id])
            else:
                offers.leave_out(wanted, _NO_GROUP)

    async def _is_sent(self, step: PlannedStep) -> bool | None:
        """Whether our part of the conversation shows the message; None when it cannot be read."""
        if _name_of(step) in self._sent:
            return True
        user = self._people.get(step.target.user_id)
        if user is None:
            return None
        since = datetime.fromisoformat(step.arguments["since"]) - CLOCKS_DIFFER
        try:
            texts = await self._writer.sent_to(user, since=since)
        except Refused:
            return None
        letter = Letter.of(step.arguments)
        return any(letter.is_said_by(text) for text in texts)


class _Offers:
    """The links of one message while it is made ready, and the groups that have to do without."""

    def __init__(self, writer: PlatformWriter) -> None:
        self._writer = writer
        self._made: list[tuple[PlatformGroup, str]] = []
        self._without: list[tuple[GroupToJoin, Reply]] = []

    @property
    def links(self) -> dict[str, str]:
        """By group id."""
        return {group.id: link for group, link in self._made}

    async def add(self, wanted: GroupToJoin, group: PlatformGroup) -> None:
        """Make a link. An answer that was lost leaves at most a link nobody knows: nothing was sent."""
        try:
            reply, link = await self._writer.invite_link(group)
        except InDoubt as error:
            raise TryLater(str(error), code=error.code, seconds=error.seconds) from None
        if reply.success:
            self._made.append((group, link))
        else:
            self.leave_out(wanted, reply)

    def leave_out(self, wanted: GroupToJoin, reply: Reply) -> None:
        self._without.append((wanted, reply))

    def described(self) -> str:
        """One line: the groups with a link, and those without one and why."""
        with_link = ", ".join(group.name for group, _ in self._made)
        without = "; ".join(f"{group.name} ({reply.message})" for group, reply in self._without)
        parts = f"Links to: {with_link}" * bool(with_link), f"Left out: {without}" * bool(without)
        return ". ".join(filter(None, parts))

    def why_none(self) -> Reply:
        """The reply to a message that has nothing to offer."""
        troubles = [reply.outcome for _, reply in self._without if not reply.success]
        return Reply(troubles[0] if troubles else Outcome.ALREADY_THERE, self.described())

    async def revoke(self) -> None:
        """As far as it can be done: they end by themselves as well."""
        for group, link in self._made:
            try:
                await self._writer.revoke_link(group, link)
            except PlatformError:
                return


def _name_of(step: PlannedStep) -> str:
    """The same for the same message to the same person, and for no other: in every process."""
    named = [step.target.platform, step.target.user_id, dict(step.arguments)]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def _words(text: str) -> str:
    """The words of `text`, every address as the same word."""
    found = re.findall(r"\w+|\0", _ADDRESS.sub("\0", text))
    return "".join(f"{word.casefold()} " for word in found)


_IS_MEMBER = Reply(Outcome.ALREADY_THERE, "is in it already")
_NO_GROUP = Reply(Outcome.GROUP_NOT_FOUND, "the account does not see it any more")
_SENT_BEFORE = Reply(Outcome.DONE, "It had been sent before: the conversation shows it.")
