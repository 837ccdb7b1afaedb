"""What schedules do with conversations. Mistyped arguments leave a failed job, where people look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from audits.history.exporting import ExportWish
from audits.history.exports import request_export
from audits.history.formats import Format
from audits.history.keeping import GroupSet, WrongSet
from audits.history.models import ExportJob, SyncJob
from audits.history.sync import request_sync
from members.jobs import UNFINISHED, JobState
from members.models import Group

ACTOR = "schedule"
_NOTHING_FITS = "No group of this set has a conversation that fits into the format."


def sync_set(word: object) -> SyncJob | None:
    """Ask for a sync of a set of groups; None while an equal one is unfinished, or where the set is empty."""
    try:
        groups = [group for group in GroupSet.named(word).groups() if not group.archived]
    except WrongSet as error:
        _failed(SyncJob(groups=[]), str(error))
        return None
    equal = SyncJob.objects.filter(state__in=UNFINISHED, groups=_keys(groups))
    return request_sync(groups=groups, asked_by=ACTOR) if groups and not equal.exists() else None


def export_set(word: object, format: object, *, last_month: bool = True) -> ExportJob | None:
    """Ask for an export of a set of groups, of the calendar month before this one or of everything kept.

    Groups of the platform that the format cannot hold are left out. None where there is nothing to do.
    """
    try:
        groups = GroupSet.named(word).groups()
        chosen = _format(format)
    except (WrongSet, ValueError) as error:
        _failed(ExportJob(groups=[], format=Format.JSONL), str(error))
        return None
    holds = chosen.renderer().platforms
    fitting = [group for group in groups if group.platform in holds]
    since, until = month_before(timezone.now()) if last_month else (None, None)
    if not fitting:
        _failed(ExportJob(groups=[], format=chosen), _NOTHING_FITS)
        return None
    equal = ExportJob.objects.filter(state__in=UNFINISHED, groups=_keys(fitting), format=chosen)
    if equal.exists():
        return None
    return request_export(wish=ExportWish(fitting, chosen, since, until), asked_by=ACTOR)


def month_before(now: datetime) -> tuple[datetime, datetime]:
    """The calendar month (UTC) before the one of `now`: its beginning, and the beginning of the next."""
    end = datetime(now.year, now.month, 1, tzinfo=UTC)
    last = end - timedelta(days=1)
    return datetime(last.year, last.month, 1, tzinfo=UTC), end


def _format(name: object) -> Format:
    if name not in list(Format):
        raise ValueError(f"The schedule names no such format: {name!r}. Write one of {', '.join(Format)}.")
    return Format(str(name))


def _keys(groups: list[Group]) -> list[list[str]]:
    return [[group.platform, group.external_id] for group in groups]


def _failed(job: SyncJob | ExportJob, why: str) -> None:
    job.asked_by, job.state, job.message = ACTOR, JobState.FAILED, why
    job.finished_at = timezone.now()
    job.save()
