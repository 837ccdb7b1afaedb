"""Run confirmed operations: claimed by one execution at a time, in slices, resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from contextlib import closing, suppress

import structlog
from django.conf import settings
from django.db import transaction

from members.clock import SharedNow, shared_now
from members.operations import custody, kinds, lease
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
from members.operations.ledger import Ledger, Lost, close
from members.operations.loop import BackgroundLoop
from members.operations.models import Operation, Step
from members.operations.parts import PartEnd, Stop, kept, seconds_left
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
    operation.refresh_from_db()
    logger.info("operation.slice_ended", state=operation.state)
    return operation


class _Slice:
    """One execution of an operation, at most `OPERATION_SLICE_SECONDS` long."""

    def __init__(self, operation: Operation, show: Callable[[], None], stopping: Callable[[], bool]) -> None:
        self._operation = operation
        self._kind: Kind = kinds.get(operation.kind)
        self._show = show
        self._turn = Turn(settings.OPERATION_SLICE_SECONDS, stopping, cancelled=operation.cancel_requested)
        self._waits: dict[Platform, tuple[float, str]] = {}
        self._beat_at = 0.0

    def run(self) -> None:
        owner = self._operation.owner
        platforms = [Platform(name) for name in self._operation.platforms]
        ends: dict[Platform, PartEnd] = {}
        holds: dict[Platform, Hold] = {}
        meters = {platform: self._meter(platform) for platform in platforms}
        try:
            for platform in platforms:
                if not self._is_due(platform):
                    continue
                if (hold := lease.take_account(platform, owner=owner)) is None:
                    busy = f"{platform.label}: another job uses the account; this one waits for it."
                    ends[platform] = self._patiently(platform, PartEnd(Stop.BUSY, busy, LEASE_PAUSE))
                else:
                    holds[platform] = hold
            with BackgroundLoop(f"operation-{self._operation.pk}") as loop:
                lanes = {
                    platform: self._lane(platform, hold, meters[platform], loop)
                    for platform, hold in holds.items()
                }
                ends |= self._drive(lanes)
        finally:
            for hold in holds.values():
                lease.release(hold)
        self._add_costs(meters)
        self._conclude(ends)

    def _lane(self, platform: Platform, hold: Hold, meter: CallMeter, loop: BackgroundLoop) -> Lane:
        return Lane(
            kind=self._kind,
            ledger=Ledger(self._operation, platform, hold),
            connection=self._kind.connect(platform),
            meter=meter,
            loop=loop,
            turn=self._turn,
            concurrency=1 if self._kind.one_at_a_time else settings.OPERATION_CONCURRENCY,
        )

    def _drive(self, lanes: Mapping[Platform, Lane]) -> dict[Platform, PartEnd]:
        """Run the lanes side by side, and beat about once a second."""
        ends: dict[Platform, PartEnd] = {}

        def drive(platform: Platform, lane: Lane) -> Waiting[None]:
            end = yield from lane.run()
            ends[platform] = self._patiently(platform, end, got_on=lane.ledger.got_on)

        with closing(side_by_side(drive(*item) for item in lanes.items())) as running:
            for future in running:
                wait([future], timeout=HEARTBEAT_SECONDS)
                self._beat(lane for platform, lane in lanes.items() if platform not in ends)
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

    def _meter(self, platform: Platform) -> CallMeter:
        def on_wait(method: str, seconds: float, error: TryLater) -> None:
            text = f"{platform.label} {why_waiting(method, seconds, error)}."
            self._waits[platform] = time.monotonic() + seconds, text

        return CallMeter(patience=settings.OPERATION_PATIENCE_SECONDS, on_wait=on_wait)

    def _is_left(self, platform: Platform) -> bool:
        """Whether anything is to be done: once it was cancelled, only what was begun is seen to."""
        states = BEGUN if self._turn.cancelled else LEFT
        return Step.objects.filter(operation=self._operation, platform=platform, state__in=states).exists()

    def _is_due(self, platform: Platform) -> bool:
        """Whether its part may go on now; a cancelled one need not wait for anything."""
        part = self._operation.parts.get(platform)
        waits = part is not None and seconds_left(part, shared_now()) > 0 and not self._turn.cancelled
        return not waits and self._is_left(platform)

    def _patiently(self, platform: Platform, end: PartEnd, *, got_on: bool = False) -> PartEnd:
        """Its end, with an outage that lasts, or a limit that nobody needs to wait for, made one for good."""
        if end.why is Stop.LIMITED and self._turn.cancelled:
            return PartEnd(Stop.OVER, end.message)
        outages = self._operation.parts.get(platform, {}).get("outages", 0)
        return end.patiently(outages, got_on=got_on, most=custody.MAX_ATTEMPTS)

    def _add_costs(self, meters: dict[Platform, CallMeter]) -> None:
        calls, waited = dict(self._operation.api_calls), self._operation.waited_seconds
        for platform, meter in meters.items():
            cost = meter.snapshot()
            before = calls.get(platform, {})
            calls[platform] = before | {
                name: before.get(name, 0) + count for name, count in cost.calls.items()
            }
            waited += cost.waited_seconds
        held_by(self._operation).update(api_calls=calls, waited_seconds=waited)

    def _conclude(self, ends: Mapping[Platform, PartEnd]) -> None:
        """Let go of the operation until one of its parts can go on, or bring it to its end."""
        operation = self._operation
        self._keep_parts(ends)
        waiting = [part for name, part in operation.parts.items() if self._is_left(Platform(name))]
        if not waiting:
            end(operation)
        else:
            now = shared_now()
            seconds = min(seconds_left(part, now) for part in waiting)
            pause(operation, seconds, cancelled=operation.cancel_requested, attempts=0)

    @transaction.atomic
    def _keep_parts(self, ends: Mapping[Platform, PartEnd]) -> None:
        """Remember what stopped each platform's part, and until when; what is over stays over."""
        operation, now = self._operation, shared_now()
        for platform, part in ends.items():
            operation.parts[platform] = kept(part, now)
            operation.account_trouble |= part.why is Stop.ACCOUNT_TROUBLE
        held = held_by(operation)
        if not held.update(parts=operation.parts, account_trouble=operation.account_trouble):
            raise Lost(f"{operation} was taken over.")
        for platform, part in ends.items():
            if part.for_good:
                steps = Step.objects.filter(operation=operation, platform=platform)
                why = "" if self._turn.cancelled else part.message
                close(steps, actor=operation.confirmed_by, why=why)
