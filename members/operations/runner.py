"""Run confirmed operations: claimed by one execution at a time, in slices, resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from contextlib import closing, suppress
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from members.operations import kinds, lease
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
from members.operations.lane import Lane, LaneEnd
from members.operations.lease import Hold
from members.operations.ledger import Ledger, Lost, close
from members.operations.loop import BackgroundLoop
from members.operations.models import Operation, Step
from members.operations.states import LEFT
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
    `show` is called about once a second; when `stopping` answers True, no further call begins.
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
        self._show, self._stopping = show, stopping
        self._until: float | None = None
        self._cancelled = False
        self._waits: dict[Platform, tuple[float, str]] = {}
        self._beat_at = 0.0

    def run(self) -> None:
        owner = self._operation.owner
        platforms = [Platform(name) for name in self._operation.platforms]
        ends: dict[Platform, LaneEnd] = {}
        holds: dict[Platform, Hold] = {}
        meters = {platform: self._meter(platform) for platform in platforms}
        try:
            for platform in platforms:
                if not self._left(platform):
                    continue
                if (still := self._pause_of(platform)) is not None:
                    ends[platform] = still
                elif (hold := lease.take(connection=lease.connection_of(platform), owner=owner)) is None:
                    busy = f"{platform.label}: another job uses the account; this one waits for it."
                    ends[platform] = LaneEnd(busy, resume_in=LEASE_PAUSE)
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
            more=self._more,
            concurrency=settings.OPERATION_CONCURRENCY,
        )

    def _drive(self, lanes: Mapping[Platform, Lane]) -> dict[Platform, LaneEnd]:
        """Run the lanes side by side, and beat about once a second."""
        ends: dict[Platform, LaneEnd] = {}

        def drive(platform: Platform, lane: Lane) -> Waiting[None]:
            ends[platform] = yield from lane.run()

        with closing(side_by_side(drive(*item) for item in lanes.items())) as running:
            for future in running:
                wait([future], timeout=HEARTBEAT_SECONDS)
                self._beat(lane for platform, lane in lanes.items() if platform not in ends)
        return ends

    def _beat(self, lanes: Iterable[Lane]) -> None:
        """Renew our holds and look whether somebody cancelled, about once a second. Raises Lost."""
        now = time.monotonic()
        if now < self._beat_at + HEARTBEAT_SECONDS:
            return
        self._beat_at = now
        waiting = "\n".join(text for until, text in self._waits.values() if until > now)
        if not held_by(self._operation).update(heartbeat_at=timezone.now(), message=waiting):
            raise Lost(f"{self._operation} was taken over.")
        for lane in lanes:
            lane.ledger.renew()
        self._cancelled = held_by(self._operation).filter(cancel_requested=True).exists()
        self._show()

    def _more(self) -> bool:
        """The slice's time begins with its first call: reading what the world looks like comes on top."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + settings.OPERATION_SLICE_SECONDS
        return not self._cancelled and not self._stopping() and now < self._until

    def _meter(self, platform: Platform) -> CallMeter:
        def on_wait(method: str, seconds: float, error: TryLater) -> None:
            text = f"{platform.label} {why_waiting(method, seconds, error)}."
            self._waits[platform] = time.monotonic() + seconds, text

        return CallMeter(patience=settings.OPERATION_PATIENCE_SECONDS, on_wait=on_wait)

    def _left(self, platform: Platform) -> bool:
        return Step.objects.filter(operation=self._operation, platform=platform, state__in=LEFT).exists()

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

    def _pause_of(self, platform: Platform) -> LaneEnd | None:
        """How the platform's part ended last time, while it has to wait still: another one may not."""
        part = self._operation.parts.get(platform, {})
        left = (datetime.fromisoformat(part["until"]) - timezone.now()).total_seconds() if part else 0.0
        return LaneEnd(part["message"], resume_in=left) if left > 0 else None

    def _conclude(self, ends: Mapping[Platform, LaneEnd]) -> None:
        """Give the operation back until it can go on, or bring it to its end."""
        operation = self._operation
        self._keep_parts(ends)
        waiting = [part for part in ends.values() if part.resume_in is not None]
        if not waiting:
            end(operation)
        elif all(part.outage for part in waiting):
            give_back(operation)
        else:
            seconds = min(part.resume_in for part in waiting if part.resume_in is not None)
            pause(operation, seconds, attempts=0)

    @transaction.atomic
    def _keep_parts(self, ends: Mapping[Platform, LaneEnd]) -> None:
        """Remember what stopped each platform's part, and until when; what is over stays over."""
        operation, now = self._operation, timezone.now()
        for platform, part in ends.items():
            until = now + timedelta(seconds=0 if part.outage else part.resume_in or 0)
            operation.parts[platform] = {"message": part.message, "until": until.isoformat()}
            operation.account_trouble |= part.account_trouble
        held = held_by(operation)
        if not held.update(parts=operation.parts, account_trouble=operation.account_trouble):
            raise Lost(f"{operation} was taken over.")
        for platform, part in ends.items():
            if part.resume_in is None and part.message:
                steps = Step.objects.filter(operation=operation, platform=platform)
                close(steps, actor=operation.confirmed_by, why=part.message)
