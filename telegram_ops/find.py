"""Find people wherever we can see them, in seconds: on Telegram and, where we know their account, on Slack.

Telegram's account is used by one at a time. While somebody else uses it, what the last audit saw has to do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace

import structlog

from members.models import Group
from members.operations.loop import BackgroundLoop
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.errors import AccountTrouble, PlatformError
from members.platforms.types import Platform, PlatformUser
from members.policy import Person
from members.services import load_policy
from members.workspaces import services as workspaces
from telegram_ops import gateway, memory
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
    """The looks at each of `people`, through the connections through which to look for them.

    All workspaces of Slack and one account of Telegram after the other side by side.
    """
    slack = [(key, asked) for key in workspaces.connections() if (asked := _asked_on_slack(key, people))]
    on_telegram = [at for at, person in enumerate(people) if Platform.TELEGRAM in person.handles]
    accounts = gateway.connections() if on_telegram else ()
    looks: list[list[Look]] = [[] for _ in people]
    with BackgroundLoop("find") as loop:
        reading = [
            (key, asked, loop.submit(_slack_looks(workspaces.Access(key), list(asked.values()), seconds)))
            for key, asked in slack
        ]
        for key in accounts:
            found = _telegram_looks(
                loop,
                [people[at] for at in on_telegram],
                key,
                depth=depth,
                seconds=seconds / len(accounts),
                turn_patience=turn_patience,
            )
            for at, look in zip(on_telegram, _named(found, key, gateway.label_of(key)), strict=True):
                looks[at].append(look)
        for key, asked, future in reversed(reading):
            answers = _answers(Platform.SLACK, len(asked), future)
            for at, look in zip(asked, _named(answers, key, workspaces.label_of(key)), strict=True):
                looks[at].insert(0, look)
    return looks


def _asked_on_slack(key: str, people: Sequence[Sought]) -> dict[int, Sought]:
    """Whom to look for there. In a further workspace those alone whose account there an audit has learnt."""
    if not key:
        return {at: person for at, person in enumerate(people) if Platform.SLACK in person.handles}
    return {
        at: replace(person, handles={Platform.SLACK: known})
        for at, person in enumerate(people)
        if person.person is not None
        and (Platform.SLACK in person.handles or Platform.SLACK in person.unknown_on)
        and (known := person.person.handle_on(Platform.SLACK, key)).id
    }


def _named(looks: Sequence[Look], key: str, label: str) -> list[Look]:
    return [replace(look, connection=key, label=label) for look in looks]


async def _slack_looks(access: workspaces.Access, people: Sequence[Sought], seconds: float) -> list[Look]:
    reader = adapters.slack.SlackReader(access.config(), meter=CallMeter(patience=LONGEST_PAUSE))
    return await look_on_slack(reader, people, seconds=seconds)


def _telegram_looks(
    loop: BackgroundLoop,
    people: Sequence[Sought],
    key: str,
    *,
    depth: Depth,
    seconds: float,
    turn_patience: float,
) -> list[Look]:
    hides = dict(
        Group.objects.filter(platform=Platform.TELEGRAM)
        .exclude(history_read_at=None)
        .values_list("external_id", "members_hidden")
    )
    try:
        with turn(turn_patience, key):
            access = Access(key)
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
        if any((platform, user_id) in ids for platform in Platform for user_id in person.ids_on(platform)):
            return person
    return None


def _or_from_memory(look: Look, person: Sought) -> Look:
    """What the last audit saw, where nothing could be read now; of employees alone."""
    if look.user is not None or look.sightings or not look.trouble or person.person is None:
        return look
    known = memory.recall(look.platform, look.connection, person.person.key)
    if known is None:
        return look
    handle = person.person.handle_on(look.platform, look.connection)
    user = PlatformUser(look.platform, handle.id) if handle.id else None
    return replace(look, user=user, sightings=known.sightings, as_of=known.as_of)
