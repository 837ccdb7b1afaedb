"""What the invented company and its customers say to one another, for whoever looks at the demo.

Tests write the messages that they need themselves: without this, nothing was ever said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from groupadmin.sandbox.company.company import Company
from groupadmin.sandbox.slack.world import SlackChannel, SlackFile
from groupadmin.sandbox.telegram.messages import TelegramFile
from groupadmin.sandbox.telegram.world import TelegramChat

TALKING = 500
"""In so many groups of each platform something is said, however large the company."""
WEEKS = 26
WEEK = 7 * 86_400
MINUTE = 60
_QUESTIONS = (
    "When does the new release come?",
    "Our balance looks wrong since this morning, could you have a look? 🙏",
    "How do we add a second signer?",
    "Is there a maintenance window this weekend?",
    "We would like to raise our limit, whom do we ask?",
    "The invoice of last month is still missing.",
    "https://status.example.com is green, but deposits take an hour. Is that usual?",
)
_ANSWERS = (
    "Good question, let me find out.",
    "Fixed, please try again.",
    "Next Tuesday, if nothing gets in the way.",
    "I have sent the document to your team.",
    "That needs somebody from finance, I have asked them.",
    "Have a look at the handbook, page 12.",
)
_REMARKS = ("Thanks a lot!", "Works now 🎉", "Perfect.", "Any news?", "Good morning everybody", "👍")
_PLAN = b"Plan of an invented company: everything will be fine.\n"


class _Line(NamedTuple):
    at: int
    """Unix time."""
    sender: int | str
    text: str
    answers: bool
    """Whether it belongs to the question before it."""


def add_talk(company: Company, now: float, seed: int = 7) -> None:
    """Half a year of conversations up to `now` (Unix time): lively ones, quiet ones, unanswered ones."""
    random = Random(seed)
    ours = set(company.identities.slack.values()) | set(company.identities.telegram.values())
    company.slack.add_file(SlackFile("F0PLAN", "plan.txt", _PLAN, "text/plain"))
    for channel in islice(company.slack.channels.values(), TALKING):
        staff, others = _sides(channel.members, ours, random)
        _say_on_slack(channel, list(_lines(random, int(now), staff, others)))
    plan = TelegramFile(1, _PLAN, name="plan.txt", mime_type="text/plain")
    groups = (chat for chat in company.telegram.chats.values() if chat.kind == "supergroup")
    for chat in islice(groups, TALKING):
        staff, others = _sides(chat.members, ours, random)
        _say_on_telegram(company, chat, list(_lines(random, int(now), staff, others)), plan)


def _sides(
    members: Iterable[int | str], ours: Collection[int | str | None], random: Random
) -> tuple[list[int | str], list[int | str]]:
    """A few of us, and a few of the others."""
    known = list(members)
    staff = [member for member in known if member in ours]
    others = [member for member in known if member not in ours]
    return random.sample(staff, min(4, len(staff))), random.sample(others, min(3, len(others)))


def _lines(
    random: Random, now: int, staff: Sequence[int | str], others: Sequence[int | str]
) -> Iterator[_Line]:
    """Questions with answers, remarks in between; oldest first."""
    if not staff:
        return
    quiet = random.choice((0, 0, 0, 1, 3, 9)) * WEEK
    a_week = random.choice((1, 2, 4))
    at = now - WEEKS * WEEK + random.randrange(WEEK)
    while (at := at + int(random.expovariate(a_week / WEEK))) < now - quiet - 3600:
        yield _Line(at, random.choice(others or staff), random.choice(_QUESTIONS), answers=False)
        pause = at
        for text in random.sample(_ANSWERS, random.choice((0, 1, 1, 2))):
            pause += random.randrange(MINUTE, 24 * 60 * MINUTE)
            if pause < min(now, at + WEEK):
                yield _Line(pause, random.choice(staff), text, answers=True)
        at = max(at, pause) + MINUTE
        if at < now and random.random() < 0.5:
            yield _Line(at, random.choice(others or staff), random.choice(_REMARKS), answers=False)


def _say_on_slack(channel: SlackChannel, lines: Sequence[_Line]) -> None:
    """Answers stand in threads."""
    root = ""
    for number, line in enumerate(lines):
        ts = f"{line.at}.{number:06d}"
        message: dict[str, Any] = {"type": "message", "user": line.sender, "text": line.text, "ts": ts}
        if line.answers and root:
            message |= {"thread_ts": root}
        else:
            root = ts
        if number % 40 == 20:
            message |= {"files": [{"id": "F0PLAN"}]}
        channel.messages.append(message)


def _say_on_telegram(
    company: Company, chat: TelegramChat, lines: Sequence[_Line], plan: TelegramFile
) -> None:
    question = None
    for number, line in enumerate(lines):
        reply_to = question if line.answers else None
        said = company.telegram.post(chat, int(line.sender), line.text, date=line.at, reply_to=reply_to)
        question = question if line.answers else said.id
        if number % 40 == 20:
            said.file = plan
