"""Request and run audits. The rows are the truth; whoever holds parts of a run (`audits.custody`) looks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from audits.announcements import tell_failure
from audits.codec import UnknownVersion, load
from audits.custody import (
    AuditBusy,
    Holding,
    cancel_audit,
    conclude,
    end,
    hand_back,
    recover_audits,
    seen_of,
    take,
    waiting_parts,
)
from audits.engine import evaluate
from audits.look import GroupKey, narrowed
from audits.merge import merge_connections
from audits.models import AuditRun, RunState, Trigger
from audits.observation import Observation
from audits.parts_custody import Cancelled, Key
from audits.parts_looking import HandedBack, look_at_parts
from audits.progress import ProgressView
from audits.record import RunLost, known_groups, record
from audits.turn import TurnLost
from members.clock import shared_now
from members.patterns import PatternTrouble
from members.platforms.types import Platform
from members.policy import Policy

__all__ = [
    "AuditBusy",
    "audit_here",
    "cancel_audit",
    "execute_audit",
    "note_failure",
    "recover_audits",
    "request_audit",
    "waiting_parts",
]

log = structlog.get_logger(__name__)


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
        state=RunState.FAILED, platforms=[], trigger=trigger, message=message, finished_at=shared_now()
    )
    tell_failure(run)
    return run


def execute_audit(
    run_id: int,
    *,
    only: Key | None = None,
    show: Callable[[ProgressView], None] = lambda view: None,
    stopping: Callable[[], bool] = lambda: False,
) -> AuditRun:
    """Look at all that waits of an audit in this process, side by side, or at that part alone.

    Whoever looked at the last part of a run brings it to its end. The run is returned as stored: finished,
    unless others still look, or shall. What the platforms refuse ends in its state and message, never in an
    exception. `show` is told the progress about once a second; when `stopping` answers True, what was not
    seen yet goes back to the queue. Raises AuditBusy when there is nothing to take.
    """
    return _execute(take(run_id, only=only), show, stopping)


def audit_here(
    *,
    platforms: Collection[Platform],
    trigger: Trigger,
    deep: bool = False,
    show: Callable[[ProgressView], None] = lambda view: None,
) -> AuditRun:
    """Request an audit and run it in this process at once; no worker sees it waiting.

    Ends like `execute_audit`. Raises AuditBusy, with nothing left behind, while another audit runs;
    one whose processes are dead, or of which nobody has taken the rest yet, does not count.
    """
    recover_audits(at_once=True)
    with transaction.atomic():
        holding = take(request_audit(platforms=platforms, trigger=trigger, deep=deep).pk)
    return _execute(holding, show, stopping=lambda: False)


def _execute(
    holding: Holding, show: Callable[[ProgressView], None], stopping: Callable[[], bool]
) -> AuditRun:
    """Do the work on what we hold of a run, and see to it that its row tells how it ended."""
    run = holding.run
    logger = log.bind(run=run.pk, parts=[part.name for part in holding.parts])
    with bound_contextvars(run=run.pk):  # also what the platforms' libraries log belongs to it
        logger.info("audit.started", deep=run.deep, trigger=run.trigger)
        _bring_on(holding, show, stopping, logger)
    run.refresh_from_db()
    event = "audit.finished" if run.finished else "audit.left"
    logger.info(event, state=run.state, opened=run.opened, resolved=run.resolved)
    return run


def _bring_on(
    holding: Holding, show: Callable[[ProgressView], None], stopping: Callable[[], bool], logger: Any
) -> None:
    run = holding.run
    try:
        if look_at_parts(holding, show=show, stopping=stopping):
            _judge(run)
    except HandedBack:
        hand_back(holding)
        logger.info("audit.handed_back")
    except TurnLost as error:
        hand_back(holding, str(error))
        logger.warning("audit.turn_lost")
    except RunLost:
        hand_back(holding)  # what was not lost
        logger.warning("audit.lost")
    except UnknownVersion:  # a deployment is under way: whoever opens the run anew reads the policy anew
        hand_back(holding)
        logger.warning("audit.begun_by_another_version")
    except Cancelled:
        end(run, RunState.CANCELLED, "Cancelled; nothing was recorded.")
    except PatternTrouble as error:
        end(run, RunState.FAILED, f"{error} Correct it under Policy › Scope lines. Nothing was recorded.")
    except KeyboardInterrupt:
        end(run, RunState.CANCELLED, "Interrupted; nothing was recorded.")
        raise
    except (OperationalError, InterfaceError) as error:  # trouble of the database's own, no bug of ours
        logger.error("audit.database_failed", error=str(error))
        with suppress(DatabaseError, InterfaceError):  # then it is found as an orphan later
            end(run, RunState.FAILED, "The database failed; nothing was recorded.")
        raise
    except Exception as error:
        logger.exception("audit.crashed")
        end(run, RunState.FAILED, f"Unexpected error ({type(error).__name__}); the log has the details.")
        raise


def _judge(run: AuditRun) -> None:
    """Compare what all parts saw with the policy by which they looked, record it, and do what follows."""
    groups = tuple((Platform(platform), group_id) for platform, group_id in run.groups)
    known = known_groups(groups)
    seen = seen_of(run)
    if seen is None:
        return
    observation = merge_connections(Observation(seen, deep=run.deep), known)
    evaluation = evaluate(observation, load(Policy, run.policy), known, timezone.now())
    if groups:
        evaluation = narrowed(evaluation, groups)
    message = _message(observation)
    record(run=run, evaluation=evaluation, state=_outcome(observation), message=message, at=shared_now())
    conclude(run)


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
