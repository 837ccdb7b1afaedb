"""Fetch what is missing of conversations: asked for, run in slices, resumable after any page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audits.history.connections import HistoryConnection, connection_to
from audits.history.engagement import count_up
from audits.history.fetching import Fetching
from audits.history.models import Conversation, SyncJob
from audits.history.reading import Progress, Reading, Stopped, Wish
from audits.history.retention import Retention, load_retention
from audits.history.store import Stored, conversation_of
from members import jobs
from members.jobs import JobLost, JobState
from members.models import Group
from members.operations import lease
from members.operations.connections import name_of
from members.operations.lease import Hold
from members.operations.loop import BackgroundLoop
from members.operations.parts import Way
from members.operations.waiting import Waiting, side_by_side
from members.platforms.base import CallMeter, why_waiting
from members.platforms.errors import AccountTrouble, PlatformError, RateLimited, TryLater
from members.platforms.history import HistoryReader
from members.platforms.types import Platform

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
LEASE_PAUSE = 5.0
"""Seconds until the next look when somebody else uses the account."""
COUNTING_SECONDS = 5.0
"""For so long the weeks of a conversation are counted here; the rest is left to the schedule."""
LONGEST_WAIT = 20.0
"""The longest single wait that keeps a worker busy; for a longer one the job waits without."""


@transaction.atomic
def request_sync(
    *,
    groups: Sequence[Group],
    asked_by: str,
    since: datetime | None = None,
    until: datetime | None = None,
    anew: bool = False,
    media: bool = False,
) -> SyncJob:
    """Put a sync of `groups` in the queue; it costs nothing until something runs it."""
    keys = [[group.platform, group.external_id] for group in groups]
    return SyncJob.objects.create(
        groups=keys, since=since, until=until, anew=anew, media=media, asked_by=asked_by
    )


def run_sync(
    job_id: int,
    *,
    show: Callable[[SyncJob], None] = lambda job: None,
    stopping: Callable[[], bool] = lambda: False,
) -> SyncJob:
    """Run one slice of a sync in this process, and return the job as stored.

    What the platforms refuse ends in the job's state and message, never in an exception. `show` is
    called about once a second; when `stopping` answers True, no further call begins. Raises JobBusy.
    """
    job = jobs.claim(SyncJob, job_id)
    with jobs.custody(job):
        _Slice(job, show, stopping).run()
    log.info("sync.slice_ended", sync=job.pk, state=job.state, new=job.messages_new)
    return job


@dataclass(slots=True)
class _End:
    """How the part of one account ended, for now or for good."""

    message: str = ""
    resume_in: float | None = None
    outage: bool = False
    account_trouble: bool = False


@dataclass(slots=True)
class _Slice:
    """One execution of a sync, as long as operations' slices are."""

    job: SyncJob
    show: Callable[[SyncJob], None]
    stopping: Callable[[], bool]
    _until: float = field(init=False, default=0.0)
    _cancelled: bool = field(init=False, default=False)
    _beat_at: float = field(init=False, default=0.0)
    _holds: list[Hold] = field(init=False, default_factory=list)
    _waits: dict[Way, tuple[float, str]] = field(init=False, default_factory=dict)
    _label: str = field(init=False, default="")
    _retention: Retention = field(init=False, default_factory=load_retention)

    def run(self) -> None:
        """Raises JobLost."""
        self._until = time.monotonic() + settings.OPERATION_SLICE_SECONDS
        self._give_up_unknown()
        left = self._left()
        connections = {way: connection_to(way) for way in left}
        meters = {way: self._meter(way) for way in left}
        ends: dict[Way, _End] = {}
        try:
            with BackgroundLoop(f"sync-{self.job.pk}") as loop, ExitStack() as stack:
                lanes = [
                    self._lane(way, groups, connections[way], meters[way], loop, ends)
                    for way, groups in left.items()
                ]
                running = stack.enter_context(closing(side_by_side(lanes)))
                for future in running:
                    self._wait(future)
        finally:
            for hold in self._holds:
                lease.release(hold)
            for connection in connections.values():
                connection.keep_books()
        self._add_costs(meters)
        self._conclude(ends)

    def _lane(
        self,
        way: Way,
        groups: Sequence[Group],
        connection: HistoryConnection,
        meter: CallMeter,
        loop: BackgroundLoop,
        ends: dict[Way, _End],
    ) -> Waiting[None]:
        if way.platform is Platform.TELEGRAM and not self._take(way):
            name = name_of(way.platform, way.connection)
            busy = f"{name}: another job uses the account; this one waits for it."
            ends[way] = _End(busy, resume_in=LEASE_PAUSE)
            return
        stack = AsyncExitStack()
        try:
            opened = loop.submit(_open(stack, connection, meter))
            yield opened
            reader = opened.result()
            queue = iter(groups)
            workers = [self._work_off(queue, reader, loop) for _ in range(settings.HISTORY_CONCURRENCY)]
            yield from side_by_side(workers)
        except Stopped:
            ends[way] = _End(resume_in=0.0)
        except TryLater as error:
            outage = not isinstance(error, RateLimited)
            ends[way] = _End(str(error), resume_in=max(error.seconds, 1.0), outage=outage)
        except PlatformError as error:
            ends[way] = _End(str(error), account_trouble=isinstance(error, AccountTrouble))
        finally:
            loop.submit(stack.aclose()).result()

    def _work_off(self, queue: Iterator[Group], reader: HistoryReader, loop: BackgroundLoop) -> Waiting[None]:
        """One conversation after the other. What concerns one of them alone does not stop the rest."""
        for group in queue:
            key = f"{group.platform}:{group.external_id}"
            try:
                yield from self._work_on(group, key, reader, loop)
            except (AccountTrouble, TryLater):
                raise
            except PlatformError as error:
                self.job.failures[key] = f"{group.name}: {error}"
            except Conversation.DoesNotExist:
                self.job.failures[key] = f"{group.name}: it was deleted from the groups meanwhile."
            self.job.reached.pop(key, None)
            self.job.done.append([group.platform, group.external_id])

    def _work_on(self, group: Group, key: str, reader: HistoryReader, loop: BackgroundLoop) -> Waiting[None]:
        conversation = conversation_of(group)
        wish = self._wish(conversation)
        progress = Progress.from_json(self.job.reached.get(key, {}))

        def stored(change: Stored, how_far: str) -> None:
            self.job.reached[key] = progress.to_json()
            self._count(group.name, change, how_far)

        yield from Reading(conversation, reader, loop, wish, progress, self._check, stored).run()
        counted_until = time.monotonic() + COUNTING_SECONDS
        count_up(conversation_id=conversation.pk, stopping=lambda: time.monotonic() > counted_until)
        if wish.media:
            count = partial(self._count_file, group.name)
            yield from Fetching(conversation, reader, loop, wish, self._check, count).run()

    def _wish(self, conversation: Conversation) -> Wish:
        """What is older than messages are kept is not asked for: it was purged, or would be."""
        job = self.job
        now = timezone.now()
        complete = job.since is None and job.until is None
        starts = (job.since, self._retention.start(conversation.group, now))
        return Wish(
            look_back=timedelta(days=settings.HISTORY_LOOK_BACK_DAYS),
            since=max((start for start in starts if start is not None), default=None),
            until=job.until,
            complete=complete,
            anew=job.anew or (complete and _is_due_again(conversation, now)),
            every_thread=job.anew,
            media=job.media,
        )

    def _left(self) -> dict[Way, list[Group]]:
        """The groups that are still to be read, by the account that reads them, in the order asked for.

        Read once: an audit may find another way to one of them meanwhile, and it would be in no queue.
        """
        left: dict[Way, list[Group]] = {}
        for platform in Platform:
            for group in sorted(self._left_on(platform), key=attrgetter("connection")):
                left.setdefault(Way(platform, group.connection), []).append(group)
        return left

    def _left_on(self, platform: Platform) -> list[Group]:
        done = {(name, group_id) for name, group_id in self.job.done}
        ids = [
            group_id
            for name, group_id in self.job.groups
            if name == platform and (name, group_id) not in done
        ]
        groups = Group.objects.filter(platform=platform, external_id__in=ids)
        known = {group.external_id: group for group in groups}
        return [known[group_id] for group_id in ids if group_id in known]

    def _give_up_unknown(self) -> None:
        """Groups that were deleted since somebody asked are said to be so."""
        known = set(Group.objects.values_list("platform", "external_id"))
        done = {(name, group_id) for name, group_id in self.job.done}
        for name, group_id in self.job.groups:
            if (name, group_id) not in known | done:
                self.job.failures[f"{name}:{group_id}"] = (
                    f"{group_id}: no group is known by this id any more."
                )
                self.job.done.append([name, group_id])

    def _take(self, way: Way) -> bool:
        """Whether the account is ours now; not twice, where a further one has become the usual one."""
        if lease.connection_of(way.platform, way.connection) in {hold.connection for hold in self._holds}:
            return False
        hold = lease.take_account(way.platform, way.connection, owner=self.job.owner)
        if hold is not None:
            self._holds.append(hold)
        return hold is not None

    def _check(self) -> None:
        if self._cancelled or self.stopping() or time.monotonic() > self._until:
            raise Stopped

    def _count(self, name: str, stored: Stored, how_far: str) -> None:
        job = self.job
        job.messages_new += stored.new
        job.messages_changed += stored.changed
        job.messages_deleted += stored.deleted
        self._label = f"{name} {how_far}".strip()
        if stored.new or stored.changed:
            jobs.got_on(job)

    def _count_file(self, name: str, size: int) -> None:
        self.job.files_new += 1
        self._label = f"{name}: files"
        jobs.got_on(self.job)

    def _wait(self, future: Future[object]) -> None:
        wait([future], timeout=HEARTBEAT_SECONDS)
        now = time.monotonic()
        if now < self._beat_at + HEARTBEAT_SECONDS:
            return
        self._beat_at = now
        waiting = [text for until, text in self._waits.values() if until > now]
        self._write(progress_label=(", ".join(waiting) or self._label)[:255])
        for hold in self._holds:
            if not lease.renew(hold):
                raise JobLost(f"Somebody else uses {hold.connection} now.")
        self._cancelled = jobs.is_cancelled(self.job)
        self.show(self.job)

    def _write(self, **changes: object) -> None:
        """Everything that was counted, with our sign of life."""
        job = self.job
        shares = sum(part.get("share", 0.0) for part in job.reached.values())
        job.progress_percent = int(100 * (len(job.done) + shares) / max(len(job.groups), 1))
        counts = ("messages_new", "messages_changed", "messages_deleted", "files_new", "progress_percent")
        counted = {name: getattr(job, name) for name in ("done", "failures", "reached", *counts)}
        jobs.beat(job, **counted, **changes)

    def _meter(self, way: Way) -> CallMeter:
        name = name_of(way.platform, way.connection)

        def on_wait(method: str, seconds: float, error: TryLater) -> None:
            text = f"{name} {why_waiting(method, seconds, error)}"
            self._waits[way] = time.monotonic() + seconds, text

        return CallMeter(patience=LONGEST_WAIT, on_wait=on_wait)

    def _add_costs(self, meters: Mapping[Way, CallMeter]) -> None:
        for way, meter in meters.items():
            cost = meter.snapshot()
            before = self.job.api_calls.setdefault(way.platform, {})
            for name, count in cost.calls.items():
                before[name] = before.get(name, 0) + count
            self.job.waited_seconds += cost.waited_seconds
        self._write(api_calls=self.job.api_calls, waited_seconds=self.job.waited_seconds)

    def _conclude(self, ends: Mapping[Way, _End]) -> None:
        job = self.job
        lines = [part.message for part in ends.values() if part.message] + list(job.failures.values())
        message = "\n".join(lines)
        waiting = [part.resume_in for part in ends.values() if part.resume_in is not None]
        if jobs.is_cancelled(job):
            jobs.end(job, JobState.CANCELLED, "Cancelled; what was fetched until then is kept.")
        elif any(part.outage for part in ends.values()):
            jobs.after_outage(job, message)
        elif waiting:
            jobs.pause(job, min(waiting), message)
        else:
            trouble = any(part.account_trouble for part in ends.values())
            jobs.end(job, self._outcome(ends), message, account_trouble=trouble)

    def _outcome(self, ends: Mapping[Way, _End]) -> JobState:
        if not ends and not self.job.failures:
            return JobState.DONE
        return JobState.PARTIAL if len(self.job.done) > len(self.job.failures) else JobState.FAILED


def _is_due_again(conversation: Conversation, now: datetime) -> bool:
    """Whether a Slack channel has to be read as a whole: what an old thread got since shows only there."""
    days = settings.HISTORY_REREAD_DAYS
    if conversation.group.platform != Platform.SLACK or not days or conversation.reread_at is None:
        return False
    return conversation.reread_at < now - timedelta(days=days)


async def _open(stack: AsyncExitStack, connection: HistoryConnection, meter: CallMeter) -> HistoryReader:
    return await stack.enter_async_context(connection.open(meter))
