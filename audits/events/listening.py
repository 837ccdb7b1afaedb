"""A listener as a process, or a thread of one: one instance per platform, there for as long as it may be.

The event loop in a thread of its own speaks to the platform; this thread alone touches the database. What was
heard is acknowledged once what follows from it is stored: whatever ends in between, the platform tells it
again, or an audit finds it. A second thread looks at the groups in which something happened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from audits.events.inbox import Inbox, read_again
from audits.events.looking import Looker
from audits.events.sources import Batch, Source, source_of
from audits.events.state import Record
from members.operations import lease
from members.operations.lease import Hold
from members.operations.loop import BackgroundLoop
from members.operations.owner import new_owner
from members.platforms.errors import AccountTrouble, PlatformError, RateLimited
from members.platforms.live import Item
from members.platforms.types import Platform

STEP_SECONDS = 0.5
"""The longest wait for something to happen."""
STOP_SECONDS = 0.2
BEAT_SECONDS = 2.0
LONGEST_PAUSE = 60.0
TROUBLE_PAUSE = 30.0
"""How often an account that cannot go on is tried again, where a person may mend it meanwhile."""
AWAY_PAUSE = 1.0
"""Until the account is asked for again that was given to somebody else."""
LONG_AWAY = timedelta(seconds=60)
"""Away for longer, it has the kept conversations read again that nobody has read since."""

T = TypeVar("T")
Stopping = Callable[[], bool]

log = structlog.get_logger(__name__)


class ListenerBusy(Exception):
    """Another process listens already: one line, what to do."""


class _Stopped(Exception):
    """We are asked to end, or another process listens by now."""


class _GivenAway(Exception):
    """Somebody else wants the account."""


def listen(
    platform: Platform,
    *,
    stopping: Stopping,
    tell: Callable[[str], None] = lambda text: None,
    patience: float = 0.0,
    stay: bool = False,
) -> None:
    """Listen until `stopping` answers True; `tell` is told what people should know.

    Waits `patience` seconds for another process to end. Raises ListenerBusy; AccountTrouble when the platform
    refuses the account for good. With `stay` neither is raised: both are waited for, like outages of the
    platform and of the database.
    """
    with (
        suppress(_Stopped),
        _only_one(platform, math.inf if stay else patience, stopping) as hold,
        Looker(platform),
    ):
        _Process(platform, hold, stopping, tell, stay).run()


@dataclass(slots=True)
class _Process:
    platform: Platform
    hold: Hold
    stopping: Stopping
    tell: Callable[[str], None]
    stay: bool
    _record: Record = field(init=False)
    _inbox: Inbox = field(init=False, default_factory=Inbox)
    _pause: float = field(init=False, default=0.0)
    _beat_at: float = field(init=False, default=0.0)

    def run(self) -> None:
        """Listen, and after an outage listen again. Ends with _Stopped."""
        self._record = Record(self.platform, self.hold.owner)
        while True:
            try:
                self._listen()
            except _Stopped:
                raise
            except AccountTrouble as error:
                self._note(error)
                if not self.stay:
                    raise
                self._rest(TROUBLE_PAUSE)
            except PlatformError as error:
                self._note(error)
                self._rest(error.seconds if isinstance(error, RateLimited) else self._longer())
            except (OperationalError, InterfaceError) as error:
                log.warning("listener.database_away", error=str(error).strip())
                close_old_connections()
                self._rest(self._longer())
            except Exception:
                if not self.stay:
                    raise
                log.exception("listener.failed", platform=self.platform)
                self._rest(TROUBLE_PAUSE)

    def _listen(self) -> None:
        """One connection, until it has to be let go or cannot be kept up. Raises PlatformError."""
        source = source_of(self.platform, self.hold.owner)
        try:
            if source.begin(self._record):
                with suppress(_GivenAway):
                    self._hear(source)
        finally:
            source.end()
        self._rest(AWAY_PAUSE)

    def _hear(self, source: Source) -> None:
        with BackgroundLoop(f"{self.platform}-events") as loop:
            try:
                account = self._wait_for(source, loop.submit(source.open()))
                self._hear_once(source, loop, 0.0)  # what was missed; killed here, it is missed again
                self._begin(account)
                while source.stay():
                    self._hear_once(source, loop, STEP_SECONDS)
            finally:
                until = source.heard_until()
                loop.submit(source.close()).result()
                self._record.left(until)

    def _hear_once(self, source: Source, loop: BackgroundLoop, seconds: float) -> None:
        batch = self._wait_for(source, loop.submit(source.next(seconds)))
        if not batch.is_empty:
            self._take(source, batch)
            loop.submit(source.acknowledge(batch)).result()

    def _begin(self, account: str) -> None:
        left_at = self._record.left_at()
        self._record.began(account)
        log.info("listener.listens", platform=self.platform, account=account)
        self._pause = 0.0
        self.tell(f"{account} listens to {self.platform.label}.")
        if left_at is None or left_at < timezone.now() - LONG_AWAY:
            read_again([self.platform], before=left_at)

    def _take(self, source: Source, batch: Batch) -> None:
        """What follows is durable when this returns."""
        if last := self._inbox.take(self._one_by_one(source, batch)):
            self._record.heard(last)
        if not batch.whole:
            log.warning("listener.gap", platform=self.platform)
            read_again([self.platform], before=timezone.now())
        source.keep(batch, self._record)

    def _one_by_one(self, source: Source, batch: Batch) -> Iterator[Item]:
        """Many items take a while: between them it shows that it lives.

        Whoever wants the account waits meanwhile. The looks that follow want it too: a batch that was let go
        of for them would be told again and looked at again, without end.
        """
        for item in batch.items():
            self._check()
            source.stay()
            yield item

    def _note(self, error: PlatformError) -> None:
        log.warning("listener.trouble", platform=self.platform, code=error.code, error=str(error))
        self._record.trouble(str(error))

    def _wait_for(self, source: Source, future: Future[T]) -> T:
        """The result, with a sign of life every now and then.

        Raises _Stopped when we are asked to end, and _GivenAway when somebody else wants the account: a look
        at what was missed may take minutes.
        """
        try:
            while not wait([future], timeout=STOP_SECONDS).done:
                self._check()
                if not source.stay():
                    raise _GivenAway
            self._check()
            return future.result()
        except CancelledError:
            raise _Stopped from None
        finally:
            future.cancel()

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + min(seconds, LONGEST_PAUSE)
        while time.monotonic() < until:
            self._check()
            time.sleep(STOP_SECONDS)

    def _longer(self) -> float:
        """A little longer after each failure in a row."""
        self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE)
        return self._pause

    def _check(self) -> None:
        if self.stopping():
            raise _Stopped
        if time.monotonic() < self._beat_at + BEAT_SECONDS:
            return
        self._beat_at = time.monotonic()
        if not lease.renew(self.hold):
            log.error("listener.lost", platform=self.platform)
            self.tell("Another process listens now: this one ends.")
            raise _Stopped
        self._record.beat()


@contextmanager
def _only_one(platform: Platform, patience: float, stopping: Stopping) -> Iterator[Hold]:
    owner, until = new_owner(), time.monotonic() + patience
    connection = f"{platform}:events"
    while (hold := lease.take(connection=connection, owner=owner)) is None:
        if stopping():
            raise _Stopped
        if time.monotonic() >= until:
            raise ListenerBusy(f"Another process listens to {platform.label} already: stop that one first.")
        time.sleep(STOP_SECONDS)
    try:
        yield hold
    finally:
        lease.release(hold)
