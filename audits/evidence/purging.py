"""The purge of what has been kept long enough: portion by portion, and on record."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from audits.evidence import due
from audits.evidence.due import EVENTS, RULES, WORDS, Rule
from audits.evidence.models import EvidencePack, RecordPurge
from audits.history.retention import start_of
from audits.models import RunReport
from members.dates import day_in_words
from members.jobs import UNFINISHED
from members.operations import activity
from members.operations.activity import Event
from members.operations.models import OperationReport
from members.operations.record_purge import RecordBroken, purge_events

log = structlog.get_logger(__name__)

EVENTS_AT_ONCE = 2000
PACKING = "Evidence is being made: the purge goes on when it is ready."

Stopping = Callable[[], bool]


def cutoff(now: datetime) -> datetime | None:
    """The midnight (UTC) before which what ended is due; None where all is kept."""
    return start_of(settings.AUDIT_RETENTION_DAYS, now)


def dry_run() -> due.Plan | None:
    """What a purge would delete now; None where all is kept."""
    before = cutoff(timezone.now())
    return None if before is None else due.plan(before)


def purge(*, actor: str, stopping: Stopping = lambda: False) -> tuple[RecordPurge | None, bool]:
    """Delete what is due, in portions.

    Returns the report, None when there was nothing to delete, and whether all is done: not so when
    `stopping` answered True, or while evidence is being made. What was deleted until then is reported, and
    another purge goes on with the rest. Two at the same time do each other no harm.
    """
    now = timezone.now()
    before = cutoff(now)
    if before is None:
        return None, True
    work = _Purge(before, now, actor, stopping)
    done = work.run()
    return work.finish(), done


class _Purge:
    """One purge under way. Its report is begun with the first portion."""

    def __init__(self, before: datetime, now: datetime, actor: str, stopping: Stopping) -> None:
        self._before, self._now, self._actor, self._stopping = before, now, actor, stopping
        self._report: RecordPurge | None = None

    def run(self) -> bool:
        """Whether it came to its end."""
        try:
            for rule in RULES:
                self._all(rule.name, partial(self._delete_portion, rule))
            self._all(EVENTS, self._delete_events)
        except RecordBroken as error:
            log.error("purge.record_broken", error=str(error))
            self._begin(f"{error} No event was purged.")
        except _Halted:
            return False
        return True

    def finish(self) -> RecordPurge | None:
        """Put on record what was deleted."""
        if (report := self._report) is None:
            return None
        report.finished_at = timezone.now()
        went = ", ".join(f"{count:,} {WORDS[name]}" for name, count in report.counts.items())
        what = f"{report}, of what ended before {day_in_words(self._before)}: {went or 'nothing'}"
        with transaction.atomic():
            report.save()
            activity.record(events=[Event(self._actor, "records.purged", detail=what)], at=report.finished_at)
        return report

    def _all(self, name: str, delete: Callable[[], int]) -> None:
        """Delete every row of one sort. Raises _Halted, RecordBroken."""
        count = 1
        while count:
            if EvidencePack.objects.filter(state__in=UNFINISHED).exists():
                if self._report is not None:
                    self._report.message = PACKING
                raise _Halted
            if self._stopping():
                raise _Halted
            with transaction.atomic():
                count = delete()
                report = self._note(name, count) if count else self._report
            self._report = report

    def _delete_portion(self, rule: Rule) -> int:
        before = rule.cutoff(self._before, self._now)
        return 0 if before is None else _delete(rule.due(before), rule.portion)

    def _delete_events(self) -> int:
        return purge_events(before=self._before, actor=self._actor, at=timezone.now(), most=EVENTS_AT_ONCE)

    def _note(self, name: str, count: int) -> RecordPurge:
        """The report with `count` more rows; another object, for the transaction may be taken back."""
        report = copy(self._report) or RecordPurge(
            before=self._before, asked_by=self._actor, started_at=self._now
        )
        report.counts = {**report.counts, name: report.counts.get(name, 0) + count}
        report.save()
        return report

    def _begin(self, message: str) -> None:
        self._report = self._report or RecordPurge(
            before=self._before, asked_by=self._actor, started_at=self._now
        )
        self._report.message = message
        self._report.save()


class _Halted(Exception):
    """The purge is to go on later."""


def _delete(due_rows: QuerySet[Any], most: int) -> int:
    """Delete the first of the rows, with all that hangs on them; their files go once that is durable.

    They are locked first: one that somebody changed in the meantime, so that it is not due any more, stays.
    """
    keys = list(due_rows.values_list("pk", flat=True)[:most])
    locked = list(due_rows.filter(pk__in=keys).select_for_update().values_list("pk", flat=True))
    model: type[Model] = due_rows.model
    files = _files_of(model, locked)
    model._default_manager.filter(pk__in=locked).delete()

    def forget() -> None:
        for storage, name in files:
            try:
                storage.delete(name)
            except OSError as error:  # the row is gone; a file that stays is no reason to stop
                log.warning("purge.file_left", file=name, error=str(error))

    transaction.on_commit(forget)
    return len(locked)


_FILES: tuple[tuple[type[Model], str], ...] = (
    (RunReport, "run"),
    (OperationReport, "operation"),
    (EvidencePack, "pk"),
)
"""The models that keep files, and which field names the row they are deleted with."""


def _files_of(model: type[Model], keys: list[int]) -> list[tuple[Storage, str]]:
    found = []
    for keeper, field in _FILES:
        owner = keeper if field == "pk" else keeper._meta.get_field(field).related_model
        if owner is model:
            rows: Any = keeper._default_manager.filter(**{f"{field}__in": keys}).exclude(file="")
            found += [(row.file.storage, str(row.file)) for row in rows]
    return found
