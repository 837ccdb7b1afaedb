"""One platform's part of a running operation, step by step: open, settle doubts, do, verify.

A lane is a generator: it yields the futures it waits for, so that several lanes share one thread,
which alone touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from members.operations.kinds import Connection, Executor, Kind
from members.operations.ledger import UNKNOWN, Ledger
from members.operations.loop import BackgroundLoop
from members.operations.models import Step
from members.operations.plan import batches
from members.operations.services import planned
from members.operations.states import StepState
from members.operations.waiting import Waiting, side_by_side
from members.platforms.base import CallMeter
from members.platforms.errors import AccountTrouble, PlatformError, RateLimited, TryLater
from members.platforms.outcomes import Outcome
from members.platforms.writing import InDoubt, Reply

T = TypeVar("T")
Replies = Sequence[tuple[Step, Reply]]

SHORTEST_PAUSE = 1.0
"""Seconds before what was put off is tried again, whatever little a platform asks for."""


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """How a lane came to its end, for now or for good."""

    message: str = ""
    resume_in: float | None = None
    """Seconds until it can go on; None when there is nothing left to do, or nothing more can be done."""
    outage: bool = False
    """Whether the way is broken: unlike a rate limit, that is not to go on for ever."""
    account_trouble: bool = False
    """Whether somebody has to see to the account before anything more can be done."""


@dataclass(slots=True)
class Lane:
    """Everything one platform's part needs. `more` answers False when no further call is to begin."""

    kind: Kind
    ledger: Ledger
    connection: Connection
    meter: CallMeter
    loop: BackgroundLoop
    more: Callable[[], bool]
    concurrency: int
    """How many calls may be under way at a time, and hence be in doubt when the process dies."""
    _trouble: PlatformError | None = field(default=None, init=False)
    """What stops the lane as soon as the calls under way have ended."""

    def run(self) -> Waiting[LaneEnd]:
        """Raises Lost when the operation is somebody else's by now."""
        session = _Session(self.connection, self.meter)
        try:
            executor = yield from self._ask(session.open())
            return (yield from self._work(executor))
        except AccountTrouble as error:
            return LaneEnd(str(error), account_trouble=True)
        except TryLater as error:
            outage = not isinstance(error, RateLimited)
            return LaneEnd(str(error), resume_in=max(error.seconds, SHORTEST_PAUSE), outage=outage)
        except PlatformError as error:
            return LaneEnd(str(error))
        finally:
            self.loop.submit(session.close()).result()
            self.connection.keep_books()

    def _work(self, executor: Executor) -> Waiting[LaneEnd]:
        yield from self._settle_doubts(executor, self.ledger.in_state(StepState.RUNNING))
        pending = self.ledger.in_state(StepState.PENDING)
        yield from self._pass_over_fulfilled(executor, pending)
        queue = iter(self._batches(pending))
        yield from side_by_side([self._work_off(queue, executor) for _ in range(self.concurrency)])
        if self._trouble is not None:
            raise self._trouble
        if self.ledger.in_state(StepState.PENDING):
            return LaneEnd(resume_in=0)  # stopped, or tried in vain, but not for the last time
        yield from self._verify(executor)
        return LaneEnd()

    def _work_off(self, queue: Iterator[list[Step]], executor: Executor) -> Waiting[None]:
        """One call after the other. Trouble keeps the next one from beginning, here and beside us."""
        batch = self._go_on(queue)
        while batch:
            try:
                replies = yield from self._call(executor, batch)
            except PlatformError as error:
                self._trouble = self._trouble or error
                return
            batch = self._go_on(queue, replies)

    def _settle_doubts(self, executor: Executor, doubtful: Sequence[Step]) -> Waiting[None]:
        """Calls that were under way when a process died or a line broke: only reading tells."""
        if not doubtful:
            return
        shown = yield from self._fulfilled(executor, doubtful, thorough=True)
        answers = list(zip(doubtful, shown, strict=True))
        settled = {True: Reply(Outcome.DONE, _SETTLED), None: UNKNOWN}
        self.ledger.settle(
            [(step, settled[is_so]) for step, is_so in answers if is_so is not False], verified=True
        )
        self.ledger.put_back([step for step, is_so in answers if is_so is False], tried=True)

    def _pass_over_fulfilled(self, executor: Executor, pending: list[Step]) -> Waiting[None]:
        """What became true since the plan was made needs no call. Takes those steps out of `pending`."""
        if not pending:
            return
        shown = yield from self._fulfilled(executor, pending, thorough=False)
        fulfilled = [step for step, is_so in zip(pending, shown, strict=True) if is_so]
        word = self.kind.fulfilled_outcome
        self.ledger.settle([(step, Reply(word, "It was so already.")) for step in fulfilled])
        gone = {step.pk for step in fulfilled}
        pending[:] = [step for step in pending if step.pk not in gone]

    def _batches(self, pending: Sequence[Step]) -> list[list[Step]]:
        plans = [planned(step) for step in pending]
        at = iter(pending)
        return [[next(at) for _ in batch] for batch in batches(plans, self.connection.batch_size)]

    def _go_on(self, queue: Iterator[list[Step]], replies: Replies = ()) -> list[Step]:
        """Write down how the last call ended, and claim what the next one is for: [] when there is none."""
        settled = list(replies)
        batch: list[Step] = []
        while not batch and self._trouble is None and self.more() and (candidates := next(queue, None)):
            unwanted = self.kind.unwanted([planned(step) for step in candidates])
            settled += [
                (candidates[at], Reply(Outcome.CHANGED_MEANWHILE, why)) for at, why in unwanted.items()
            ]
            batch = [step for at, step in enumerate(candidates) if at not in unwanted]
        self.ledger.settle(settled, claim=batch)
        return batch

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
            self.ledger.put_back(self._keep_settled(batch, error), tried=False)
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

    def _verify(self, executor: Executor) -> Waiting[None]:
        applied = self.ledger.in_state(StepState.APPLIED)
        if applied:
            shown = yield from self._fulfilled(executor, applied, thorough=True)
            self.ledger.verify(applied, shown)

    def _fulfilled(
        self, executor: Executor, steps: Sequence[Step], *, thorough: bool
    ) -> Waiting[Sequence[bool | None]]:
        return (
            yield from self._ask(executor.fulfilled([planned(step) for step in steps], thorough=thorough))
        )

    def _ask(self, work: Coroutine[Any, Any, T]) -> Waiting[T]:
        future = self.loop.submit(work)
        try:
            yield future
            return future.result()
        finally:
            future.cancel()  # when nobody waits for it any more


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


def _account_outcome(error: AccountTrouble) -> Outcome:
    return Outcome(error.code) if error.code in set(Outcome) else Outcome.ACCOUNT_TROUBLE
