"""One account's part of a running operation, step by step: open, settle doubts, do, verify.

A lane is a generator: it yields the futures it waits for, so that several lanes share one thread,
which alone touches the database. What it reads, it reads in portions, and writes down each: a lane whose
time is up is gone on with where it ended, and one that gets little time still gets on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import Any, TypeVar

from django.utils import timezone

from members.dates import moment_in_words
from members.operations.kinds import Connection, Executor, Kind
from members.operations.ledger import UNKNOWN, Ledger
from members.operations.loop import BackgroundLoop
from members.operations.models import Step
from members.operations.parts import PartEnd, Stop
from members.operations.plan import batches
from members.operations.services import planned
from members.operations.states import StepState
from members.operations.turn import Turn
from members.operations.waiting import Waiting, side_by_side
from members.platforms.base import CallMeter
from members.platforms.errors import AccountTrouble, PlatformError, RateLimited, TryLater
from members.platforms.outcomes import Outcome
from members.platforms.writing import InDoubt, Reply

T = TypeVar("T")
Replies = Sequence[tuple[Step, Reply]]

SHORTEST_PAUSE = 1.0
"""Seconds before what was put off is tried again, whatever little a platform asks for."""

READING_SHARE = 0.5
"""How much of its time a lane spends on reading before the first call, at the most: the rest is for calls."""
PORTION_PEOPLE, PORTION_STEPS = 10, 100
"""What is read at a time: little enough to take no minute."""


@dataclass(slots=True)
class Lane:
    """Everything one account's part needs."""

    kind: Kind
    ledger: Ledger
    connection: Connection
    meter: CallMeter
    loop: BackgroundLoop
    turn: Turn
    concurrency: int
    """How many calls may be under way at a time, and hence be in doubt when the process dies."""
    _calls: int = field(default=0, init=False)
    _readings: set[Future[Any]] = field(default_factory=set, init=False)
    """What is under way and may be cut off."""
    _trouble: PlatformError | _Cut | None = field(default=None, init=False)
    """What stops the lane as soon as the calls under way have ended."""

    def run(self) -> Waiting[PartEnd]:
        """Raises Lost when the operation is somebody else's by now."""
        session = _Session(self.connection, self.meter)
        try:
            executor = yield from self._read(session.open())
            finished = yield from self._work(executor)
            return PartEnd(Stop.OVER if finished else Stop.UNFINISHED)
        except _Cut:
            return PartEnd(Stop.UNFINISHED)
        except AccountTrouble as error:
            return PartEnd(Stop.ACCOUNT_TROUBLE, str(error))
        except TryLater as error:
            why = Stop.LIMITED if isinstance(error, RateLimited) else Stop.OUTAGE
            return PartEnd(why, str(error), resume_in=max(error.seconds, SHORTEST_PAUSE))
        except PlatformError as error:
            return PartEnd(Stop.OVER, str(error))
        finally:
            self.loop.submit(session.close()).result()
            self.connection.keep_books()

    def cut_readings(self) -> None:
        """Have the lane end as soon as the calls under way have. What it reads, the next execution reads."""
        for future in tuple(self._readings):
            future.cancel()

    def _work(self, executor: Executor) -> Waiting[bool]:
        """Whether all is done. A cancelled operation begins nothing, but what it did is verified."""
        if not (yield from self._settle_doubts(executor, self.ledger.in_state(StepState.RUNNING))):
            return False
        if not self.turn.cancelled:
            queue = deque(self._batches((yield from self._still_to_do(executor))))
            yield from side_by_side([self._work_off(queue, executor) for _ in range(self.concurrency)])
        if self._trouble is not None and not self._is_of_no_matter_now(self._trouble):
            raise self._trouble
        left = self.ledger.in_state(StepState.RUNNING)
        if not self.turn.cancelled:
            left += self.ledger.in_state(StepState.PENDING)
        return not left and (yield from self._verify(executor))

    def _is_of_no_matter_now(self, trouble: PlatformError | _Cut) -> bool:
        """A limit on calls that nobody wants any more."""
        return self.turn.cancelled and isinstance(trouble, RateLimited)

    def _work_off(self, queue: deque[list[Step]], executor: Executor) -> Waiting[None]:
        """One call after the other. Trouble keeps the next one from beginning, here and beside us."""
        batch = self._go_on(queue)
        while batch:
            try:
                replies = yield from self._call(executor, batch)
                if queue and self._pause:
                    self.ledger.settle(replies)  # written down before the pause, and our rules asked after it
                    replies = []
                    yield from self._read(asyncio.sleep(self._pause))
            except (PlatformError, _Cut) as error:
                self._trouble = self._trouble or error
                return
            batch = self._go_on(queue, replies)

    @property
    def _pause(self) -> float:
        """Seconds that we leave between two calls of our own accord."""
        pace = self.kind.pace(self.ledger.way.platform) if self.kind.pace is not None else None
        return pace.pause if pace is not None else 0.0

    def _settle_doubts(self, executor: Executor, doubtful: Sequence[Step]) -> Waiting[bool]:
        """Calls that were under way when a process died or a line broke: only reading tells.

        Whether there was time for all of them.
        """
        left = len(doubtful)
        settled = {True: Reply(Outcome.DONE, _SETTLED), None: UNKNOWN}
        for portion in self._in_time(_portions(doubtful)):
            shown = yield from self._fulfilled(executor, portion, thorough=True)
            answers = list(zip(portion, shown, strict=True))
            self.ledger.settle(
                [(step, settled[is_so]) for step, is_so in answers if is_so is not False], verified=True
            )
            self.ledger.put_back([step for step, is_so in answers if is_so is False], tried=True)
            left -= len(portion)
        return not left

    def _still_to_do(self, executor: Executor) -> Waiting[list[Step]]:
        """The pending steps, as far as there is time to read, that did not become true since the plan."""
        to_do = []
        word = self.kind.fulfilled_outcome
        portions = _portions(self.ledger.in_state(StepState.PENDING))
        for portion in self._in_time(portions, share=READING_SHARE):
            shown = yield from self._fulfilled(executor, portion, thorough=False)
            answers = list(zip(portion, shown, strict=True))
            self.ledger.settle(
                [(step, Reply(word, "It was so already.")) for step, is_so in answers if is_so]
            )
            to_do += [step for step, is_so in answers if not is_so]
            if self.turn.cancelled:
                break
        return sorted(to_do, key=attrgetter("position"))

    def _in_time(self, portions: Iterable[list[Step]], *, share: float = 1.0) -> Iterator[list[Step]]:
        """Those of `portions` that may be begun: the first in any case, so that we get on."""
        for number, portion in enumerate(portions):
            if self.turn.stopping() or (number and self.turn.is_up(share)):
                return
            yield portion

    def _batches(self, pending: Sequence[Step]) -> list[list[Step]]:
        plans = [planned(step) for step in pending]
        at = iter(pending)
        return [[next(at) for _ in batch] for batch in batches(plans, self.connection.batch_size)]

    def _go_on(self, queue: deque[list[Step]], replies: Replies = ()) -> list[Step]:
        """Write down how the last call ended, and claim what the next one is for: [] when there is none."""
        settled = list(replies)
        batch: list[Step] = []
        while queue and not batch and self._trouble is None and self._may_call():
            batch = self._wanted(queue.popleft(), settled)
            if batch and self.kind.one_at_a_time:
                self.ledger.settle(settled, claim=batch)
                settled.clear()
                batch = self._wanted(batch, settled)
        self.ledger.settle(settled, claim=() if self.kind.one_at_a_time else batch)
        self._calls += bool(batch)
        return batch

    def _wanted(self, candidates: Sequence[Step], settled: list[tuple[Step, Reply]]) -> list[Step]:
        """Those of `candidates` that our own rules still want; the others are `settled`."""
        unwanted = self.kind.unwanted([planned(step) for step in candidates])
        settled += [(candidates[at], Reply(Outcome.CHANGED_MEANWHILE, why)) for at, why in unwanted.items()]
        return [step for at, step in enumerate(candidates) if at not in unwanted]

    def _may_call(self) -> bool:
        """Whether another call may begin: the first one also late, so that we get on."""
        if self.turn.stopping() or self.turn.cancelled:
            return False
        return not self._calls or not self.turn.is_up()

    def _call(self, executor: Executor, batch: Sequence[Step]) -> Waiting[Replies]:
        """Make the call that `batch` was claimed for. What stops the lane is raised, after its steps are
        written down."""
        try:
            replies = yield from self._ask(executor.apply([planned(step) for step in batch]))
            return list(zip(batch, replies, strict=True))
        except InDoubt as error:
            yield from self._settle_doubts(executor, self._keep_settled(batch, error))
            return []
        except TryLater as error:
            why = _limit(error) if isinstance(error, RateLimited) else None
            self.ledger.put_back(self._keep_settled(batch, error), tried=False, why=why)
            raise
        except AccountTrouble as error:
            rest = self._keep_settled(batch, error)
            self.ledger.settle([(step, Reply(_account_outcome(error), str(error))) for step in rest])
            raise
        except PlatformError as error:
            rest = self._keep_settled(batch, error)
            return [(step, Reply(Outcome.REFUSED, str(error))) for step in rest]

    def _keep_settled(self, batch: Sequence[Step], error: PlatformError) -> list[Step]:
        """Write down what the call had achieved before `error`. Returns the steps that it says nothing of."""
        known = [(step, error.settled[step.user_id]) for step in batch if step.user_id in error.settled]
        self.ledger.settle(known)
        return [step for step in batch if step.user_id not in error.settled]

    def _verify(self, executor: Executor) -> Waiting[bool]:
        """Read whether what the platform said it did is so. Whether there was time for all of it."""
        applied = self.ledger.in_state(StepState.APPLIED)
        left = len(applied)
        if not (self._calls and self.turn.is_up()):
            for portion in self._in_time(_portions(applied)):
                shown = yield from self._fulfilled(executor, portion, thorough=True)
                self.ledger.verify(portion, shown)
                left -= len(portion)
        return not left

    def _fulfilled(
        self, executor: Executor, steps: Sequence[Step], *, thorough: bool
    ) -> Waiting[Sequence[bool | None]]:
        return (
            yield from self._read(executor.fulfilled([planned(step) for step in steps], thorough=thorough))
        )

    def _read(self, work: Coroutine[Any, Any, T]) -> Waiting[T]:
        """Ask for what may be asked for again. Raises _Cut when there is no time to wait for it."""
        future = self.loop.submit(work)
        self._readings.add(future)
        try:
            return (yield from self._result(future))
        except CancelledError:
            raise _Cut from None
        finally:
            self._readings.discard(future)

    def _ask(self, work: Coroutine[Any, Any, T]) -> Waiting[T]:
        return (yield from self._result(self.loop.submit(work)))

    def _result(self, future: Future[T]) -> Waiting[T]:
        try:
            yield future
            return future.result()
        finally:
            future.cancel()  # when nobody waits for it any more


class _Cut(Exception):
    """The worker stops: what was being read is left to the next execution."""


class _Session:
    """An executor's connection, opened and closed by different calls."""

    def __init__(self, connection: Connection, meter: CallMeter) -> None:
        self._connection, self._meter = connection, meter
        self._stack = AsyncExitStack()

    async def open(self) -> Executor:
        return await self._stack.enter_async_context(self._connection.open(self._meter))

    async def close(self) -> None:
        await self._stack.aclose()


_SETTLED = "The call was cut off; reading the truth afterwards showed that it had been done."


def _portions(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """The steps by person, which is how they are read: a person is in two portions for want of room only."""
    by_person: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        by_person[step.user_id].append(step)
    portion: list[Step] = []
    people = 0
    for theirs in by_person.values():
        for at in range(0, len(theirs), PORTION_STEPS):
            some = theirs[at : at + PORTION_STEPS]
            if portion and (people == PORTION_PEOPLE or len(portion) + len(some) > PORTION_STEPS):
                yield portion
                portion, people = [], 0
            portion += some
            people += 1
    if portion:
        yield portion


def _limit(error: RateLimited) -> Reply:
    until = timezone.now() + timedelta(seconds=error.seconds)
    return Reply(Outcome.RATE_LIMITED, f"Rate limited until {moment_in_words(until)}: {error}")


def _account_outcome(error: AccountTrouble) -> Outcome:
    return Outcome(error.code) if error.code in set(Outcome) else Outcome.ACCOUNT_TROUBLE
