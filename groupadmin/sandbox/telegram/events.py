"""What happens in the world and must reach the accounts concerned, before it becomes a TL update."""

from __future__ import annotations

from dataclasses import dataclass

from groupadmin.sandbox.telegram.messages import Conversation, TelegramMessage
from groupadmin.sandbox.telegram.world import Place, Standing, TelegramChat


@dataclass(frozen=True)
class MessagePosted:
    place: Place
    message: TelegramMessage


@dataclass(frozen=True)
class MessageEdited:
    place: Place
    message: TelegramMessage


@dataclass(frozen=True)
class MessagesDeleted:
    place: Place
    ids: tuple[int, ...]


@dataclass(frozen=True)
class ChatChanged:
    """The chat looks different now to the account that is told."""

    place: TelegramChat


@dataclass(frozen=True)
class ParticipantChanged:
    """Told to bots that are admins."""

    place: TelegramChat
    date: int
    actor: int
    before: Standing
    after: Standing


@dataclass(frozen=True)
class JoinRequested:
    """Told to bots that are admins and may invite."""

    place: TelegramChat
    date: int
    user_id: int
    link: str


MessageEvent = MessagePosted | MessageEdited | MessagesDeleted
BotEvent = ParticipantChanged | JoinRequested
Event = MessageEvent | BotEvent | ChatChanged


def people_of(event: Event) -> set[int]:
    """The users whom a client needs to know to make sense of `event`."""
    match event:
        case MessagePosted(place, message) | MessageEdited(place, message):
            return people_in(place, message)
        case ParticipantChanged():
            return {event.actor, event.after.user_id}
        case JoinRequested():
            return {event.user_id}
    return set()


def people_in(place: Place, message: TelegramMessage) -> set[int]:
    """The users whom a client needs to know to show `message`."""
    people = set(message.action.users) if message.action else set()
    people.update(entity.detail for entity in message.entities if isinstance(entity.detail, int))
    if message.sender is not None:
        people.add(message.sender)
    if isinstance(place, Conversation):
        people.update(place.users)
    return people
