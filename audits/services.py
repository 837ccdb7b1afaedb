"""Request and run audits. The AuditRun row is the truth; whoever holds it (`audits.custody`), runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone

from audits.announcements import tell_failure
from audits.connections import connections_to
from audits.custody import (
    AuditBusy,
    cancel_audit,
    claim,
    conclude,
    end,
    hand_back,
    held_by,
    recover_audits,
)
from audits.engine import evaluate
from audits.look import GroupKey, narrowed
from audits.models import AuditRun, RunState, Trigger
from audits.observation import Observation
from audits.observe import Connection, observe
from audits.progress import Progress, ProgressView
from audits.record import RunLost, known_groups, record
from audits.staff_changes.sights import people_to_prove
from audits.turn import Turn, TurnLost
from audits.watch import Assignment
from members.clock import SharedNow, shared_now
from members.patterns import PatternTrouble
from members.platforms.types import Platform
from members.services import load_policy

__all__ = [
    "AuditBusy",
    "audit_here",
    "cancel_audit",
    "execute_audit",
    "note_failure",
    "recover_audits",
    "request_audit",
]

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
ONE_CLIENT = (Platform.TELEGRAM,)
"""The platforms that end both of two clients on one session."""


class _Cancelled(Exception):
    """Somebody asked the audit to stop."""


class _HandedBack(Exception):
    """This process is shutting down; another one shall run the audit."""


@transaction.atomic
def request_audit(
    *,
    platforms: Collection[Platform],
    trigger: Trigger,
    deep: bool = False,
    requested_by: User | None = None,
    operation_id: int | None = None,
    groups: Collection[GroupKey] = (),
) -> AuditRun:
    """Put an audit in the queue; it costs nothing until something executes it.

    With `groups` it looks at those alone. `operation_id` is the operation of which it shall tell what came
    of it.
    """
    ordered = [platform for platform in Platform if platform in platforms]
    return AuditRun.objects.create(
        platforms=ordered,
        deep=deep,
        trigger=trigger,
        requested_by=requested_by,
        operation_id=operation_id,
        narrow=bool(groups),
        groups=[[str(platform), group_id] for platform, group_id in groups],
    )


@transaction.atomic
def note_failure(*, trigger: Trigger, message: str) -> AuditRun:
    """Leave a failed run behind for an audit that could not even be asked for."""
    run = AuditRun.objects.create(
        state=RunState.FAILED, platforms=[], trigger=trigger, message=message, finished_at=timezone.now()
    )
    tell_failure(run)
    return run


def execute_audit(
    run_id: int,
    *,
    show: Callable[[ProgressView], None] = lambda view: None,
    stopping: Callable[[], bool] = lambda: False,
) -> AuditRun:
    """Run a waiting audit to its end in this process and return it as stored.

    What the platforms refuse ends in the run's state and message, never in an exception.
    `show` is told the progress about once a second; when `stopping` answers True, the audit
    goes back to the queue. Raises AuditBusy when the run cannot be taken.
    """
    return _execute(claim(run_id), show, stopping)


def audit_here(
    *,
    platforms: Collection[Platform],
    trigger: Trigger,
    deep: bool = False,
    show: Callable[[ProgressView], None] = lambda view: None,
) -> AuditRun:
    """Request an audit and run it in this process at once; no worker sees it waiting.

    Ends like `execute_audit`. Raises AuditBusy, with nothing left behind, while another audit runs;
    one whose process is dead does not count.
    """
    recover_audits(now=shared_now())
    with transaction.atomic():
        run = claim(request_audit(platforms=platforms, trigger=trigger, deep=deep).pk)
    return _execute(run, show, stopping=lambda: False)


def _execute(run: AuditRun, show: Callable[[ProgressView], None], stopping: Callable[[], bool]) -> AuditRun:
    """Do the work of a claimed run, and see to it that its row tells how it ended."""
    logger = log.bind(run=run.pk)
    logger.info("audit.started", platforms=run.platforms, deep=run.deep, trigger=run.trigger)
    try:
        _run(run, show, stopping)
    except _HandedBack:
        hand_back(run)
        logger.info("audit.handed_back")
    except TurnLost as error:
        hand_back(run, str(error))
        logger.warning("audit.turn_lost")
    except _Cancelled:
        end(run, RunState.CANCELLED, "Cancelled; nothing was recorded.")
    except RunLost:
        logger.warning("audit.lost")
    except PatternTrouble as error:
        end(run, RunState.FAILED, f"{error} Correct it under Policy › Scope lines. Nothing was recorded.")
    except KeyboardInterrupt:
        end(run, RunState.CANCELLED, "Interrupted; nothing was recorded.")
        raise
    except OperationalError as error:  # locked, full or gone: trouble of the database's own, no bug of ours
        logger.error("audit.database_failed", error=str(error))
        with suppress(DatabaseError):  # then it is found as an orphan later
            end(run, RunState.FAILED, "The database failed; nothing was recorded.")
        raise
    except Exception as error:
        logger.exception("audit.crashed")
        end(run, RunState.FAILED, f"Unexpected error ({type(error).__name__}); the log has the details.")
        raise
    run.refresh_from_db()
    logger.info("audit.finished", state=run.state, opened=run.opened, resolved=run.resolved)
    return run


def _run(run: AuditRun, show: Callable[[ProgressView], None], stopping: Callable[[], bool]) -> None:
    platforms = [Platform(name) for name in run.platforms]
    groups = tuple((Platform(platform), group_id) for platform, group_id in run.groups)
    assignment = Assignment(
        policy=load_policy(),
        known=known_groups(groups),
        deep=run.deep,
        groups=groups,
        patience=settings.AUDIT_PATIENCE_SECONDS,
        now=timezone.now(),
        to_prove=people_to_prove(),
    )
    progress = Progress(tuple(platforms))

    with _turns(platforms, owner=run.owner) as turns:
        connections = connections_to(platforms, turns)

        def beat() -> None:
            for platform, turn in turns.items():
                turn.keep()
                if turn.waiting:
                    progress.held_up(platform, "is waiting for an operation that uses the account")
            show(progress.view())
            _beat(run, progress.view())
            if stopping():
                raise _HandedBack

        observation = _observe_watched(connections, assignment, progress, beat)
    for connection in connections:
        connection.keep_books()
    _beat(run, progress.view())  # whoever cancelled during the last second wants nothing recorded either
    now = timezone.now()
    evaluation = evaluate(observation, assignment.policy, assignment.known, now)
    if groups:
        evaluation = narrowed(evaluation, groups)
    message = _message(observation)
    record(run=run, evaluation=evaluation, state=_outcome(observation), message=message, at=now)
    conclude(run)


@contextmanager
def _turns(platforms: Collection[Platform], *, owner: str) -> Iterator[dict[Platform, Turn]]:
    """Our turns on the accounts that only one may use at a time, given back at the end."""
    patience = settings.AUDIT_PATIENCE_SECONDS
    turns = {
        platform: Turn(platform, owner=owner, patience=patience)
        for platform in platforms
        if platform in ONE_CLIENT
    }
    try:
        yield turns
    finally:
        for turn in turns.values():
            turn.release()


def _observe_watched(
    connections: Sequence[Connection],
    assignment: Assignment,
    progress: Progress,
    beat: Callable[[], None],
) -> Observation:
    """Observe in an event loop of its own thread, while this thread calls `beat` about once a second.

    So the database is only touched from here, never from inside the loop. What `beat` raises
    stops the observation.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="observe") as pool:
        watched = _Cancellable()
        future = pool.submit(watched.run, connections, assignment, progress)
        try:
            while not wait([future], timeout=HEARTBEAT_SECONDS).done:
                beat()
        except BaseException:
            watched.cancel()
            raise
        return future.result()


class _Cancellable:
    """An observation that another thread can stop."""

    def __init__(self) -> None:
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Observation]]] = Future()

    def run(
        self, connections: Sequence[Connection], assignment: Assignment, progress: Progress
    ) -> Observation:
        async def main() -> Observation:
            task = asyncio.ensure_future(observe(connections, assignment, progress))
            self._started.set_result((asyncio.get_running_loop(), task))
            return await task

        return asyncio.run(main())

    def cancel(self) -> None:
        loop, task = self._started.result(timeout=10)
        with suppress(RuntimeError):  # it came to its end meanwhile, and its loop is closed
            loop.call_soon_threadsafe(task.cancel)


def _beat(run: AuditRun, view: ProgressView) -> None:
    """Renew our hold on the run and show how far it is. Raises when it was cancelled or lost."""
    held = held_by(run)
    if not held.update(
        heartbeat_at=SharedNow(), progress_label=view.label[:255], progress_percent=view.percent
    ):
        raise RunLost(f"Audit {run.pk} was taken over.")
    if held.filter(cancel_requested=True).exists():
        raise _Cancelled


def _outcome(observation: Observation) -> RunState:
    if all(seen.whole for seen in observation.platforms):
        return RunState.COMPLETE
    learnt = any(seen.learnt_something for seen in observation.platforms)
    return RunState.PARTIAL if learnt else RunState.FAILED


def _message(observation: Observation) -> str:
    """What kept the run from being whole, one line each, and each once."""
    lines = []
    for seen in observation.platforms:
        label = seen.platform.label
        reasons = {person.unread for person in seen.people.values() if person.unread}
        if seen.trouble is not None:
            message = seen.trouble.message
            lines.append(message if label in message else f"{label}: {message}")
            reasons.discard(message)  # the trouble is also why memberships were not read
        lines += [f"{label}: memberships not read: {reason}" for reason in sorted(reasons)]
    return "\n".join(dict.fromkeys(lines))
