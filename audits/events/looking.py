"""From groups that wait for a look to audits of them: one narrow run for all that are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from audits.events.models import LiveEvent
from audits.models import AuditRun, RunState, Trigger
from audits.services import AuditBusy, execute_audit, recover_audits, request_audit
from members.clock import shared_now
from members.operations.models import Step
from members.operations.states import UNDER_WAY
from members.platforms.types import Platform

MOST_GROUPS = 30
"""Of one narrow run. When more groups wait, an audit of the whole platform costs less than a look at each."""
MOST_ATTEMPTS = 6
"""So often a group is looked at in vain before it is left to the next whole audit."""
LONGEST_HOLD = timedelta(minutes=10)
"""What an operation of ours brought about waits so long at most for the audit that verifies the operation."""
RETRY = timedelta(seconds=30)
"""After a look in vain; doubled with each one."""
KEPT_FOR = timedelta(days=30)
"""How long it can be seen what was heard, and which audit looked."""
POLL_SECONDS = 0.5
TROUBLE_SECONDS = 5.0

State = LiveEvent.State

log = structlog.get_logger(__name__)


def tend(platform: Platform, *, stopping: Callable[[], bool] = lambda: False) -> AuditRun | None:
    """Look at the groups that are due, in this process; None when there is nothing to do now.

    What another execution left behind is gone on with first. Raises what `execute_audit` raises, but for
    AuditBusy: while another audit runs, the groups wait.
    """
    settle(platform, now=shared_now())
    looking = LiveEvent.objects.filter(platform=platform, state=State.LOOKING)
    run_id = looking.values_list("run", flat=True).first() or _request(platform, now=shared_now())
    if run_id is None:
        return None
    try:
        run = execute_audit(run_id, stopping=stopping)
    except AuditBusy:
        recover_audits()  # whoever runs it, or the one before it, may be dead
        return None
    settle(platform, now=shared_now())
    return run


@transaction.atomic
def _request(platform: Platform, *, now: datetime) -> int | None:
    """Put an audit of the waiting groups in the queue as soon as one of them is due: all go along.

    Not those that an operation of ours works on: it is verified by an audit of its own, and a look after each
    of its steps would be an audit of the whole platform after the other.
    """
    waiting = LiveEvent.objects.filter(platform=platform, state=State.WAITING)
    if waiting.filter(due_at__lte=now).exists():
        waiting = waiting.exclude(Exists(_steps_of_ours()), heard_at__gt=now - LONGEST_HOLD)
    if not waiting.filter(due_at__lte=now).exists():
        return None
    soon = list(waiting.select_for_update().filter(due_at__lte=now + RETRY).order_by("due_at", "pk"))
    groups = [(platform, row.group_external_id) for row in soon] if len(soon) <= MOST_GROUPS else []
    run = request_audit(platforms=[platform], trigger=Trigger.EVENT, groups=groups)
    waiting.filter(pk__in=[row.pk for row in soon]).update(state=State.LOOKING, run=run)
    return run.pk


def _steps_of_ours() -> QuerySet[Step]:
    """The steps in the group of a live event whose operation is under way, or is being verified."""
    verifying = AuditRun.objects.filter(state__in=RunState.unfinished(), operation_id__isnull=False)
    return Step.objects.filter(
        Q(operation__state__in=UNDER_WAY) | Q(operation__in=verifying.values("operation_id")),
        platform=OuterRef("platform"),
        group_id=OuterRef("group_external_id"),
    )


def settle(platform: Platform, *, now: datetime) -> None:
    """Write down what came of the looks whose audits have ended; those in vain wait for another one.

    What was heard before a whole audit began needs no look of its own when that one has seen everything.
    """
    waiting = LiveEvent.objects.filter(platform=platform, state=State.WAITING)
    if waiting.exists() and (seen := _last_whole_audit(platform)) is not None:
        waiting.filter(last_heard_at__lt=seen.started_at).update(state=State.SEEN, run=seen, done_at=now)
    ended = LiveEvent.objects.filter(platform=platform, state=State.LOOKING)
    for row in ended.filter(run__state__in=RunState.ended()).select_related("run"):
        if _was_seen(row):
            _end(row, State.SEEN, now)
        else:
            _try_again(row, now)
    for row in ended.filter(run=None):  # somebody deleted it
        _try_again(row, now)


def _last_whole_audit(platform: Platform) -> AuditRun | None:
    whole = AuditRun.objects.filter(narrow=False, state=RunState.COMPLETE, started_at__isnull=False)
    run = whole.only("platforms", "started_at").order_by("-pk").first()
    return run if run is not None and platform in run.platforms else None


def forget(*, now: datetime) -> None:
    """Delete what was heard long ago."""
    LiveEvent.objects.filter(done_at__lt=now - KEPT_FOR).delete()


def _was_seen(row: LiveEvent) -> bool:
    run = row.run
    if run is None or run.state not in (RunState.COMPLETE, RunState.PARTIAL):
        return False
    if run.state == RunState.COMPLETE:
        return True
    return run.results.filter(group__platform=row.platform, group__external_id=row.group_external_id).exists()


def _end(row: LiveEvent, state: State, now: datetime) -> None:
    LiveEvent.objects.filter(pk=row.pk, state=State.LOOKING).update(state=state, done_at=now)


@transaction.atomic
def _try_again(row: LiveEvent, now: datetime) -> None:
    """What was heard of the group since makes another look anyway."""
    newer = LiveEvent.objects.select_for_update().filter(
        platform=row.platform, group_external_id=row.group_external_id, state=State.WAITING
    )
    if newer.exists():
        _end(row, State.SEEN, now)
    elif row.attempts + 1 >= MOST_ATTEMPTS:
        _end(row, State.GIVEN_UP, now)
        log.warning("events.given_up", platform=row.platform, group=row.group_external_id)
    else:
        LiveEvent.objects.filter(pk=row.pk, state=State.LOOKING).update(
            state=State.WAITING, run=None, attempts=row.attempts + 1, due_at=now + RETRY * 2**row.attempts
        )


class Looker:
    """Tends one platform's groups in a thread of its own, for as long as the context is entered."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stop = threading.Event()
        self._forget_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"{platform}-looks", daemon=True)

    def __enter__(self) -> Looker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """An audit that is under way goes back to the queue."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                pause = POLL_SECONDS
                try:
                    if tend(self._platform, stopping=self._stop.is_set) is not None:
                        pause = 0.0
                    self._forget()
                except (OperationalError, InterfaceError) as error:
                    log.warning("events.database_away", error=str(error).strip())
                    close_old_connections()
                    pause = TROUBLE_SECONDS
                except Exception:
                    log.exception("events.look_failed")
                    pause = TROUBLE_SECONDS
                self._stop.wait(pause)
        finally:
            connections.close_all()

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + 3600
            forget(now=shared_now())
