"""What owners write to the bot, understood. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LARGEST_ID = 2**52
"""Ids of people on Telegram have at most 52 significant bits: core.telegram.org/bots/api#user"""


class Verb(StrEnum):
    """The commands."""

    KICKS_OFF = "kicks_off"
    KICKS_ON = "kicks_on"
    KICKS_ON_CONFIRM = "kicks_on_confirm"
    KICKS_STATUS = "kicks_status"
    WL_ADD = "wl_add"
    WL_REMOVE = "wl_remove"
    WL_STATUS = "wl_status"
    WL_STATS = "wl_stats"
    WL_REPORT = "wl_report"
    DRYRUN_EXPIRED = "dryrun_expired"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Command:
    """One command with what stood behind it."""

    verb: Verb
    telegram_id: int | None = None
    number: int | None = None
    """The hours of /kicks_on; the number at risk of /kicks_on_confirm."""
    text: str = ""
    """A note or a reason."""


class Misunderstood(ValueError):
    """It is no command: one line for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What may stand behind a command, and what it does."""

    usage: str
    does: str
    takes_id: bool = False
    needs_id: bool = False
    takes_number: bool = False
    takes_text: bool = False


_SHAPES = {
    Verb.KICKS_OFF: _Shape("", "turn kicks off, at once"),
    Verb.KICKS_ON: _Shape("[hours]", "show whom a sweep would kick; nothing is turned on", takes_number=True),
    Verb.KICKS_ON_CONFIRM: _Shape(
        "[number at risk]", "turn kicks on, after /kicks_on has shown it", takes_number=True
    ),
    Verb.KICKS_STATUS: _Shape("", "how things stand"),
    Verb.WL_ADD: _Shape("<id> [note]", "protect somebody", takes_id=True, needs_id=True, takes_text=True),
    Verb.WL_REMOVE: _Shape(
        "<id> [reason]", "take protection away", takes_id=True, needs_id=True, takes_text=True
    ),
    Verb.WL_STATUS: _Shape("[id]", "what would become of somebody (or you), and why", takes_id=True),
    Verb.WL_STATS: _Shape("", "the whitelist in numbers"),
    Verb.WL_REPORT: _Shape("", "everything in numbers"),
    Verb.DRYRUN_EXPIRED: _Shape("", "whom a sweep would kick; nobody is kicked"),
    Verb.HELP: _Shape("", "this list"),
}

HELP = "\n".join(f"/{verb} {shape.usage}".rstrip() + f": {shape.does}" for verb, shape in _SHAPES.items())


def is_command(text: str) -> bool:
    """Whether somebody tries to command the bot, in whatever way."""
    return text.lstrip().startswith("/")


def parse(text: str) -> Command:
    """The command in a message, like "/wl_add 123456789 VIP". Raises Misunderstood."""
    word, *rest = text.split() or [""]
    name = word.removeprefix("/").partition("@")[0].casefold()
    if name == "start":  # what Telegram's button "Start" sends
        return Command(Verb.HELP)
    try:
        verb = Verb(name)
    except ValueError:
        raise Misunderstood("I do not know this command. /help lists those that I know.") from None
    return _behind(verb, rest)


def _behind(verb: Verb, words: list[str]) -> Command:
    shape = _SHAPES[verb]
    usage = f"Write: /{verb} {shape.usage}".rstrip()
    telegram_id = number = None
    if words and shape.takes_id:
        telegram_id = _whole_number(words.pop(0), LARGEST_ID)
        if telegram_id is None:
            raise Misunderstood(f"An id is a positive number; names can change hands. {usage}")
    elif words and shape.takes_number:
        number = _whole_number(words.pop(0), 10**9, least=0)
        if number is None:
            raise Misunderstood(f"That is no number. {usage}")
    if shape.needs_id and telegram_id is None:
        raise Misunderstood(usage)
    if words and not shape.takes_text:
        raise Misunderstood(f"Too many words. {usage}")
    return Command(verb, telegram_id, number, " ".join(words))


def _whole_number(word: str, largest: int, *, least: int = 1) -> int | None:
    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(largest))
    return int(word) if is_number and least <= int(word) <= largest else None
