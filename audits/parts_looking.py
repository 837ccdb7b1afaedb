"""Look at the parts that one execution holds: side by side, each stored as soon as it was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audits.codec import dump, load
from audits.connections import Way, connections_to
from audits.custody import Holding
from audits.models import AuditPart, AuditRun
from audits.observe import Connection, observe
from audits.parts_custody import Cancelled, keep_parts, store_part
from audits.progress import Progress, ProgressView
from audits.record import known_groups
from audits.staff_changes.sights import people_to_prove
from audits.turn import Turn
from audits.watch import Assignment
from members.operations.loop import BackgroundLoop
from members.platforms.types import Platform
from members.policy import Policy

HEARTBEAT_SECONDS = 1.0
ONE_CLIENT = (Platform.TELEGRAM,)
"""The platforms that end both of two clients on one session."""

Show = Callable[[ProgressView], None]


class HandedBack(Exception):
    """This process is shutting down; another one shall look."""


@dataclass(frozen=True, slots=True)
class _Look:
    part: AuditPart
    connection: Connection
    progress: Progress
    turn: Turn | None


def look_at_parts(holding: Holding, *, show: Show, stopping: Callable[[], bool]) -> bool:
    """Whether the last part of the run was among them: then it is ours to be brought to its end.

    An event loop of another thread speaks to the platforms, and the database is only touched from here.
    Raises Cancelled, HandedBack, RunLost and TurnLost; what was stored by then stays.
    """
    if not holding.parts:
        return True
    run, last = holding.run, False
    assignment = _assignment(run)
    with _looks(holding) as looks, BackgroundLoop("observe") as loop:
        under_way = {loop.submit(observe(look.connection, assignment, look.progress)): look for look in looks}
        beat_at = time.monotonic() + HEARTBEAT_SECONDS
        while under_way:
            done, _ = wait(under_way, max(0.0, beat_at - time.monotonic()), FIRST_COMPLETED)
            for future in done:
                look = under_way.pop(future)
                seen = dump(future.result())
                look.connection.keep_books()
                if look.turn is not None:
                    look.turn.release()
                with transaction.atomic():
                    last = store_part(run, look.part, seen)
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + HEARTBEAT_SECONDS
                _beat(run, list(under_way.values()), show, stopping)
    return last


def _assignment(run: AuditRun) -> Assignment:
    groups = tuple((Platform(platform), group_id) for platform, group_id in run.groups)
    return Assignment(
        policy=load(Policy, run.policy),
        known=known_groups(groups),
        deep=run.deep,
        groups=groups,
        patience=settings.AUDIT_PATIENCE_SECONDS,
        now=timezone.now(),
        to_prove=people_to_prove(),
    )


@contextmanager
def _looks(holding: Holding) -> Iterator[list[_Look]]:
    """The looks to be taken. At the end our turns on accounts that only one may use are given back."""
    ways = [(Platform(part.platform), part.connection) for part in holding.parts]
    turns: dict[Way, Turn] = {}
    try:
        for number, way in enumerate(ways):
            if way[0] in ONE_CLIENT:
                # Each has a name of its own: a further account may have become the usual one since the parts
                # were laid out, and then one of the two waits for the other.
                owner = f"{holding.run.owner}.{number}"
                turns[way] = Turn(*way, owner=owner, patience=settings.AUDIT_PATIENCE_SECONDS)
        connections = connections_to(ways, turns)
        yield [
            _Look(part, connection, Progress(part.name), turns.get(way))
            for part, way, connection in zip(holding.parts, ways, connections, strict=True)
        ]
    finally:
        for turn in turns.values():
            turn.release()


def _beat(run: AuditRun, looks: Sequence[_Look], show: Show, stopping: Callable[[], bool]) -> None:
    """Show how far the run is, and notice what shall keep us from going on."""
    for look in looks:
        if look.turn is not None:
            look.turn.keep()
            if look.turn.waiting:
                look.progress.held_up("is waiting for an operation that uses the account")
    show(keep_parts(run, {look.part: look.progress.view() for look in looks}))
    if AuditRun.objects.filter(pk=run.pk, cancel_requested=True).exists():
        raise Cancelled
    if stopping():
        raise HandedBack
