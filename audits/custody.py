"""Who holds an audit: one execution claims it, gives it back, brings it to its end, or dies with it.

Every change here is conditional on the execution still holding it. A run that has ended stays held
until what follows has been done; so whatever a dead process left undone is found and done again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from audits.announcements import tell_failure
from audits.models import AuditRun, RunState
from audits.remediation.follow_up import follow_up
from audits.reports import NOT_WRITTEN, store_reports
from members.clock import SharedNow
from members.operations.owner import is_dead, new_owner

log = structlog.get_logger(__name__)

ORPHANED_AFTER = timedelta(seconds=60)
"""A running audit whose heart has not beaten for this long has lost its process."""
FOLLOW_UP_TIME = timedelta(minutes=10)
"""What follows a run's end (files, additions, notices) is taken for lost after so long."""
MAX_ATTEMPTS = 3


class AuditBusy(Exception):
    """The audit cannot be started now: another one runs, or this one is not waiting any more."""


def claim(run_id: int) -> AuditRun:
    """Make a waiting audit this execution's own. Raises AuditBusy."""
    now = timezone.now()
    try:
        with transaction.atomic():
            taken = AuditRun.objects.filter(pk=run_id, state=RunState.QUEUED).update(
                state=RunState.RUNNING,
                owner=new_owner(),
                started_at=now,
                heartbeat_at=SharedNow(),
                attempts=F("attempts") + 1,
                progress_percent=0,
                message="",
            )
    except IntegrityError:
        raise AuditBusy("Another audit is running; try again when it has finished.") from None
    if not taken:
        raise AuditBusy(f"Audit {run_id} is not waiting to be run.")
    return AuditRun.objects.get(pk=run_id)


def held_by(run: AuditRun) -> QuerySet[AuditRun]:
    """The run's row, as long as the execution that `run` names holds it."""
    return AuditRun.objects.filter(pk=run.pk, owner=run.owner, state=RunState.RUNNING)


def hand_back(run: AuditRun, why: str = "") -> None:
    """Another execution shall run it from its beginning, through no fault of this one."""
    held_by(run).update(state=RunState.QUEUED, owner="", attempts=F("attempts") - 1, message=why)


def end(run: AuditRun, state: RunState, message: str) -> None:
    """Bring a run to its end of which nothing was recorded, and let follow what follows."""
    with transaction.atomic():
        if held_by(run).update(state=state, message=message, finished_at=timezone.now(), progress_label=""):
            tell_failure(AuditRun.objects.get(pk=run.pk))
    conclude(run)


def cancel_audit(*, run_id: int) -> bool:
    """Ask an audit to stop; a waiting one ends at once. False when it was finished already."""
    now, owner = timezone.now(), new_owner()
    if AuditRun.objects.filter(pk=run_id, state=RunState.QUEUED).update(
        state=RunState.CANCELLED,
        cancel_requested=True,
        finished_at=now,
        owner=owner,
        heartbeat_at=SharedNow(),
    ):
        conclude(AuditRun.objects.get(pk=run_id))
        return True
    return bool(AuditRun.objects.filter(pk=run_id, state=RunState.RUNNING).update(cancel_requested=True))


def conclude(run: AuditRun) -> None:
    """Do what follows the end of a run, and let go of it. Doing it twice does no harm.

    Its trouble is its own: the run has ended. Only what the database refuses is tried again later.
    """
    ended = AuditRun.objects.filter(pk=run.pk, owner=run.owner, state__in=RunState.ended())
    stored = ended.first()
    if stored is None:
        return
    try:
        if stored.recorded and not stored.narrow:
            _write_files(stored)
        follow_up(stored)
    except OperationalError as error:  # locked, full or gone: the run stays ours, and is found as lost
        log.error("audit.follow_up_postponed", run=run.pk, error=str(error))
        return
    except Exception:
        log.exception("audit.follow_up_failed", run=run.pk)
    ended.update(owner="")


def _write_files(run: AuditRun) -> None:
    try:
        store_reports(run_id=run.pk)
    except OSError as error:  # the outcome is safe already; the files can be written again
        log.error("audit.reports_failed", run=run.pk, error=str(error))
        lines = [*run.message.splitlines(), f"{NOT_WRITTEN}: {error.strerror}."]
        run.message = "\n".join(dict.fromkeys(lines))
        run.save(update_fields=["message"])


def recover_audits(*, now: datetime) -> list[int]:
    """Take up what dead processes left behind. Returns the ids of all that wait to be run, oldest first.

    `now` is by the clock that all processes share.

    An audit only reads, so starting again from the beginning repeats nothing that matters.
    """
    for run in AuditRun.objects.filter(state=RunState.RUNNING):
        if _is_lost(run, now - ORPHANED_AFTER) and _adopt(run):
            _take_back(run)
    for run in AuditRun.objects.filter(state__in=RunState.ended()).exclude(owner=""):
        if _is_lost(run, now - FOLLOW_UP_TIME) and _adopt(run):
            log.warning("audit.follow_up_again", run=run.pk)
            conclude(run)
    return list(AuditRun.objects.filter(state=RunState.QUEUED).order_by("pk").values_list("pk", flat=True))


def _take_back(run: AuditRun) -> None:
    if run.attempts >= MAX_ATTEMPTS:
        end(run, RunState.FAILED, f"Given up: the process died {run.attempts} times while it ran.")
    elif held_by(run).update(state=RunState.QUEUED, owner=""):
        log.warning("audit.requeued", run=run.pk, attempts=run.attempts)


def _is_lost(run: AuditRun, silent_since: datetime) -> bool:
    """Whether the execution that holds the run is dead, or gave no sign of life for too long."""
    return run.heartbeat_at is None or run.heartbeat_at < silent_since or is_dead(run.owner)


def _adopt(run: AuditRun) -> bool:
    """Make it ours, if nothing was heard of it meanwhile."""
    same = AuditRun.objects.filter(pk=run.pk, state=run.state, owner=run.owner, heartbeat_at=run.heartbeat_at)
    run.owner = new_owner()
    return bool(same.update(owner=run.owner, heartbeat_at=SharedNow()))
