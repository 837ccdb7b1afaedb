"""What the bot has to say unasked: the messages of the outbox whose way is the bot.

They go out here and not with the others, because the bot's process holds its only connection.
"""

from __future__ import annotations

from members.notices import delivery
from members.notices.delivery import note_sent
from members.notices.kinds import Channel
from members.notices.models import Message

__all__ = ["note_sent", "text_of", "untold"]


def untold() -> list[Message]:
    """What the bot has still to say, the oldest first."""
    delivery.collect([Channel.BOT])
    return delivery.due(Channel.BOT)


def text_of(message: Message) -> str:
    return delivery.envelope_of(message).text
