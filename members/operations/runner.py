"""Run confirmed operations: claimed by one execution at a time, in slices, resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from contextlib import closing, suppress

import structlog
from django.conf import settings
from django.db import transaction
from structlog.contextvars import bound_contextvars

from members.clock import SharedNow, shared_now
from members.operations import custody, kinds, lease
from members.operations.connections import name_of
from members.operations.custody import (
    OperationBusy,
    claim,
    end,
    follow_up,
    give_back,
    held_by,
    let_go,
    pause,
    recover_operations,
)
from members.operations.kinds import Kind
from members.operations.lane import Lane
from members.operations.lease import Hold
from members.operations.ledger import Ledger, Lost, close, steps_on
from members.operations.loop import BackgroundLoop
from members.operations.models import Operation, Step
from members.operations.parts import PartEnd, Stop, Way, kept, seconds_left
from members.operations.states import BEGUN, LEFT
from members.operations.turn import Turn
from members.operations.waiting import Waiting, side_by_side
from members.platforms.base import CallMeter, why_waiting
from members.platforms.errors import TryLater
from members.platforms.types import Platform

__all__ = ["OperationBusy", "recover_operations", "run_operation"]

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
LEASE_PAUSE = 5.0
"""Seconds until the next look when somebody else uses the connection."""


def run_operation(
    operation_id: int,
    *,
    show: Callable[[], None] = lambda: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Operation:
    """Run one slice of a confirmed operation in this process, and return it as stored.

    What the platforms refuse ends in the steps and the operation's message, never in an exception.
    `show` is called about once a second; when `stopping` answers True, no further call begins, and it
    ends as soon as those under way have.
    Raises OperationBusy when it cannot be taken.
    """
    operation = claim(operation_id)
    with bound_contextvars(operation=operation.pk):  # also what the platforms' libraries log belongs to it
        _run_slice(operation, show, stopping)
    operation.refresh_from_db()
    log.info("operation.slice_ended", operation=operation.pk, kind=operation.kind, state=operation.state)
    return operation


def _run_slice(operation: Operation, show: Callable[[], None], stopping: Callable[[], bool]) -> None:
    logger = log.bind(operation=operation.pk, kind=operation.kind)
    logger.info("operation.slice_started", attempts=operation.attempts)
    try:
        _Slice(operation, show, stopping).run()
    except Lost:
        logger.warning("operation.lost")
        let_go(operation)
    except Exception as error:
        logger.exception("operation.crashed")
        with suppress(Lost):
            give_back(operation, f"Unexpected error ({type(error).__name__}); the log has the details.")
        follow_up(operation)
        raise
    except BaseException:  # Ctrl-C, or the worker's end
        let_go(operation)
        raise
    else:
        follow_up(operation)


class _Slice:
    """One execution of an operation, at most `OPERATION_SLICE_SECONDS` long."""

    def __init__(self, operation: Operation, show: Callable[[], None], stopping: Callable[[], bool]) -> None:
        self._operation = operation
        self._kind: Kind = kinds.get(operation.kind)
        self._show = show
        self._turn = Turn(settings.OPERATION_SLICE_SECONDS, stopping, cancelled=operation.cancel_requested)
        self._waits: dict[Way, tuple[float, str]] = {}
        self._beat_at = 0.0

    def run(self) -> None:
        owner = self._operation.owner
        ways = self._ways()
        ends: dict[Way, PartEnd] = {}
        holds: dict[Way, Hold] = {}
        meters = {way: self._meter(way) for way in ways}
        try:
            for way in filter(self._is_due, ways):
                if (hold := self._take(way, owner, holds)) is None:
                    name = name_of(way.platform, way.connection)
                    busy = f"{name}: another job uses the account; this one waits for it."
                    ends[way] = self._patiently(way, PartEnd(Stop.BUSY, busy, LEASE_PAUSE))
                else:
                    holds[way] = hold
            with BackgroundLoop(f"operation-{self._operation.pk}") as loop:
                lanes = {way: self._lane(way, hold, meters[way], loop) for way, hold in holds.items()}
                ends |= self._drive(lanes)
        finally:
            for hold in holds.values():
                lease.release(hold)
        self._add_costs(meters)
        self._conclude(ends)

    def _ways(self) -> list[Way]:
        """Through which accounts the steps go, platform by platform, the usual one first."""
        steps = Step.objects.filter(operation=self._operation).order_by("connection")
        used = set(steps.values_list("platform", "connection").distinct())
        return [Way(Platform(platform), connection) for platform, connection in sorted(used)]

    def _take(self, way: Way, owner: str, holds: Mapping[Way, Hold]) -> Hold | None:
        """The lease of the account; None while it is in use, also by another part: a further account may have
        become the usual one since the plan was made."""
        if lease.connection_of(way.platform, way.connection) in {hold.connection for hold in holds.values()}:
            return None
        return lease.take_account(way.platform, way.connection, owner=owner)

    def _lane(self, way: Way, hold: Hold, meter: CallMeter, loop: BackgroundLoop) -> Lane:
        return Lane(
            kind=self._kind,
            ledger=Ledger(self._operation, way, hold),
            connection=self._kind.connect(way.platform, way.connection),
            meter=meter,
            loop=loop,
            turn=self._turn,
            concurrency=1 if self._kind.one_at_a_time else settings.OPERATION_CONCURRENCY,
        )

    def _drive(self, lanes: Mapping[Way, Lane]) -> dict[Way, PartEnd]:
        """Run the lanes side by side, and beat about once a second."""
        ends: dict[Way, PartEnd] = {}

        def drive(way: Way, lane: Lane) -> Waiting[None]:
            end = yield from lane.run()
            ends[way] = self._patiently(way, end, got_on=lane.ledger.got_on)

        with closing(side_by_side(drive(*item) for item in lanes.items())) as running:
            for future in running:
                wait([future], timeout=HEARTBEAT_SECONDS)
                self._beat(lane for way, lane in lanes.items() if way not in ends)
        return ends

    def _beat(self, lanes: Iterable[Lane]) -> None:
        """Renew our holds and look who wants us to stop, about once a second. Raises Lost."""
        now = time.monotonic()
        if now < self._beat_at + HEARTBEAT_SECONDS:
            return
        self._beat_at = now
        waiting = "\n".join(text for until, text in self._waits.values() if until > now)
        if not held_by(self._operation).update(heartbeat_at=SharedNow(), message=waiting):
            raise Lost(f"{self._operation} was taken over.")
        stopping = self._turn.stopping()
        for lane in lanes:
            lane.ledger.renew()
            if stopping:
                lane.cut_readings()
        self._turn.cancelled = held_by(self._operation).filter(cancel_requested=True).exists()
        self._show()

    def _meter(self, way: Way) -> CallMeter:
        name = name_of(way.platform, way.connection)

        def on_wait(method: str, seconds: float, error: TryLater) -> None:
            text = f"{name} {why_waiting(method, seconds, error)}."
            self._waits[way] = time.monotonic() + seconds, text

        return CallMeter(patience=settings.OPERATION_PATIENCE_SECONDS, on_wait=on_wait)

    def _is_left(self, way: Way) -> bool:
        """Whether anything is to be done: once it was cancelled, only what was begun is seen to."""
        states = BEGUN if self._turn.cancelled else LEFT
        return steps_on(self._operation, way).filter(state__in=states).exists()

    def _is_due(self, way: Way) -> bool:
        """Whether its part may go on now; a cancelled one need not wait for anything."""
        part = self._operation.parts.get(way.name)
        waits = part is not None and seconds_left(part, shared_now()) > 0 and not self._turn.cancelled
        return not waits and self._is_left(way)

    def _patiently(self, way: Way, end: PartEnd, *, got_on: bool = False) -> PartEnd:
        """Its end, with an outage that lasts, or a limit that nobody needs to wait for, made one for good."""
        if end.why is Stop.LIMITED and self._turn.cancelled:
            return PartEnd(Stop.OVER, end.message)
        outages = self._operation.parts.get(way.name, {}).get("outages", 0)
        return end.patiently(outages, got_on=got_on, most=custody.MAX_ATTEMPTS)

    def _add_costs(self, meters: Mapping[Way, CallMeter]) -> None:
        calls, waited = dict(self._operation.api_calls), self._operation.waited_seconds
        for way, meter in meters.items():
            cost = meter.snapshot()
            before = calls.get(way.platform, {})
            calls[way.platform] = before | {
                name: before.get(name, 0) + count for name, count in cost.calls.items()
            }
            waited += cost.waited_seconds
        held_by(self._operation).update(api_calls=calls, waited_seconds=waited)

    def _conclude(self, ends: Mapping[Way, PartEnd]) -> None:
        """Let go of the operation until one of its parts can go on, or bring it to its end."""
        operation = self._operation
        self._keep_parts(ends)
        waiting = [part for name, part in operation.parts.items() if self._is_left(Way.named(name))]
        if not waiting:
            end(operation)
        else:
            now = shared_now()
            seconds = min(seconds_left(part, now) for part in waiting)
            pause(operation, seconds, cancelled=operation.cancel_requested, attempts=0)

    @transaction.atomic
    def _keep_parts(self, ends: Mapping[Way, PartEnd]) -> None:
        """Remember what stopped each part, and until when; what is over stays over."""
        operation, now = self._operation, shared_now()
        for way, part in ends.items():
            operation.parts[way.name] = kept(part, now)
            operation.account_trouble |= part.why is Stop.ACCOUNT_TROUBLE
        held = held_by(operation)
        if not held.update(parts=operation.parts, account_trouble=operation.account_trouble):
            raise Lost(f"{operation} was taken over.")
        for way, part in ends.items():
            if part.for_good:
                why = "" if self._turn.cancelled else part.message
                close(steps_on(operation, way), actor=operation.confirmed_by, why=why)
