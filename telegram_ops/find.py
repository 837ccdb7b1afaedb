"""Find people wherever we can see them, in seconds: on Telegram and, where we know their account, on Slack.

Telegram's account is used by one at a time. While somebody else uses it, what the last audit saw has to do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace

import structlog
from django.conf import settings

from members.models import Group
from members.operations.loop import BackgroundLoop
from members.platforms.base import CallMeter
from members.platforms.errors import AccountTrouble, PlatformError
from members.platforms.slack import SlackConfig, SlackReader
from members.platforms.types import Platform, PlatformUser
from members.policy import Handle, Person
from members.services import load_policy
from telegram_ops import memory
from telegram_ops.gateway import Access
from telegram_ops.judgement import judged, stored_groups
from telegram_ops.looking import Depth, look_on_slack, look_on_telegram
from telegram_ops.references import PersonUnclear, Sought, sought
from telegram_ops.sightings import Found, Look
from telegram_ops.turn import turn

IN_A_PAGE = 15.0
"""Seconds that a page may take to look; shorter than the term of a lease, which nobody renews meanwhile."""
AT_LEISURE = 35.0
"""The same for a command. Half a minute of it may go by waiting for the account."""
TURN_PATIENCE = 3.0
"""Seconds to wait for the account when a page asks, and ..."""
LONGEST_PAUSE = 5.0
"""... the longest pause that a platform may ask for, before what is known has to do."""

__all__ = ["AT_LEISURE", "IN_A_PAGE", "Depth", "Found", "PersonUnclear", "find_people"]

log = structlog.get_logger(__name__)


def find_people(
    texts: Sequence[str],
    *,
    platforms: Collection[Platform] = tuple(Platform),
    depth: Depth = Depth.LISTS,
    seconds: float = IN_A_PAGE,
    turn_patience: float = TURN_PATIENCE,
) -> list[Found]:
    """Everybody who is meant by `texts`, each with all their groups that we can see.

    Reads the platforms, and nothing else than read: in one connection to each, for at most about `seconds`
    each. What the platforms refuse is told in the looks, never raised. Raises PersonUnclear.
    """
    rules = load_policy()
    people = [sought(text, rules.people, platforms) for text in texts]
    looks = _look(people, depth, seconds, turn_patience)
    people = [
        _recognised(each, theirs, rules.people, platforms) for each, theirs in zip(people, looks, strict=True)
    ]
    rest = [_where_unseen(each, theirs) for each, theirs in zip(people, looks, strict=True)]
    if any(each.handles for each in rest):
        more = _look(rest, depth, seconds, turn_patience)
        looks = [[*new, *theirs] for new, theirs in zip(more, looks, strict=True)]
    groups = stored_groups()
    return [
        judged(each, [_or_from_memory(look, each) for look in theirs], rules, groups)
        for each, theirs in zip(people, looks, strict=True)
    ]


def _look(people: Sequence[Sought], depth: Depth, seconds: float, turn_patience: float) -> list[list[Look]]:
    """The looks at each of `people`, on the platforms on which to look for them; both side by side."""
    looks: list[list[Look]] = [[] for _ in people]
    on_slack, on_telegram = (_asked_on(platform, people) for platform in (Platform.SLACK, Platform.TELEGRAM))
    with BackgroundLoop("find") as loop:
        reading_slack = loop.submit(_slack_looks([people[at] for at in on_slack], seconds=seconds))
        if on_telegram:
            asked = [people[at] for at in on_telegram]
            found = _telegram_looks(loop, asked, depth=depth, seconds=seconds, turn_patience=turn_patience)
            for at, look in zip(on_telegram, found, strict=True):
                looks[at].append(look)
        answers = _answers(Platform.SLACK, len(on_slack), reading_slack)
        for at, look in zip(on_slack, answers, strict=True):
            looks[at].insert(0, look)
    return looks


def _asked_on(platform: Platform, people: Sequence[Sought]) -> list[int]:
    return [at for at, person in enumerate(people) if platform in person.handles]


async def _slack_looks(people: Sequence[Sought], *, seconds: float) -> list[Look]:
    if not people:
        return []
    config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
    reader = SlackReader(config, meter=CallMeter(patience=LONGEST_PAUSE))
    return await look_on_slack(reader, people, seconds=seconds)


def _telegram_looks(
    loop: BackgroundLoop, people: Sequence[Sought], *, depth: Depth, seconds: float, turn_patience: float
) -> list[Look]:
    hides = dict(
        Group.objects.filter(platform=Platform.TELEGRAM)
        .exclude(history_read_at=None)
        .values_list("external_id", "members_hidden")
    )
    try:
        with turn(turn_patience):
            access = Access()
            reader = access.reader(CallMeter(patience=LONGEST_PAUSE))
            work = look_on_telegram(reader, people, depth=depth, hides=hides, seconds=seconds)
            try:
                return _answers(Platform.TELEGRAM, len(people), loop.submit(work))
            finally:
                access.keep_books()
    except PlatformError as error:
        return [_failed(Platform.TELEGRAM, error)] * len(people)


def _answers(platform: Platform, count: int, future: Future[list[Look]]) -> list[Look]:
    try:
        return future.result()
    except PlatformError as error:
        log.warning("find.failed", platform=str(platform), error=str(error))
        return [_failed(platform, error)] * count


def _failed(platform: Platform, error: PlatformError) -> Look:
    return Look(platform, trouble=str(error), account_trouble=isinstance(error, AccountTrouble))


def _recognised(
    person: Sought, looks: Sequence[Look], employees: Sequence[Person], platforms: Collection[Platform]
) -> Sought:
    """Who turns out to be an employee, by the id, is sought as one: on the other platform as well."""
    employee = _employee_behind(looks, employees) if person.person is None else None
    if employee is None:
        return person
    everywhere = sought(employee.key, employees, platforms)
    return replace(everywhere, text=person.text, typed_username=person.typed_username)


def _where_unseen(person: Sought, looks: Sequence[Look]) -> Sought:
    """The same person, to be looked for on the platforms where nobody has looked."""
    seen = {look.platform for look in looks}
    rest = {platform: handle for platform, handle in person.handles.items() if platform not in seen}
    return replace(person, handles=rest)


def _employee_behind(looks: Sequence[Look], employees: Sequence[Person]) -> Person | None:
    ids = {(look.platform, look.user.id) for look in looks if look.user is not None}
    for person in employees:
        if any((platform, handle.id) in ids for platform, handle in person.handles.items()):
            return person
    return None


def _or_from_memory(look: Look, person: Sought) -> Look:
    """What the last audit saw, where nothing could be read now; of employees alone."""
    if look.user is not None or look.sightings or not look.trouble or person.person is None:
        return look
    known = memory.recall(look.platform, person.person.key)
    if known is None:
        return look
    handle = person.handles.get(look.platform, Handle())
    user = PlatformUser(look.platform, handle.id) if handle.id else None
    return replace(look, user=user, sightings=known.sightings, as_of=known.as_of)
