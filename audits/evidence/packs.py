"""Packs of evidence as jobs: asked for, written by a worker, downloaded, verified. All of it on record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.utils import timezone

from audits.evidence.manifest import Manifest
from audits.evidence.models import EvidencePack
from audits.evidence.period import Period
from audits.evidence.record import PurgedMeanwhile, RecordGap
from audits.evidence.verifying import Checked, NotWhole, verify_pack
from audits.evidence.writing import Wish, workload, write_pack
from audits.history.sinks import whole_file
from members import job_files, jobs
from members.job_files import Told
from members.operations import activity
from members.operations.activity import Event, newest_seal
from members.operations.models import ActivityEvent

MADE = "evidence.made"
"""The action of an event whose detail ends with the SHA-256 of a pack."""


@transaction.atomic
def request_pack(*, period: Period, asked_by: str) -> EvidencePack:
    """Put a pack in the queue. Raises WrongPeriod."""
    period.check(timezone.now())
    pack = EvidencePack.objects.create(since=period.since, until=period.until, asked_by=asked_by)
    _note(asked_by, "evidence.requested", f"{pack}: {period}")
    return pack


def make_pack(
    *, period: Period, folder: Path, actor: str, told: Callable[[int], None]
) -> tuple[Path, Manifest, str]:
    """Write a pack into `folder` now, whole or not at all, and put it on record.

    `told` hears of per cents. Returns where it is, its manifest and its SHA-256.
    Raises WrongPeriod, RecordGap, PurgedMeanwhile, OSError.
    """
    now = timezone.now()
    period.check(now)
    total, written = workload(period), 0

    def tell(count: int) -> None:
        nonlocal written
        written += count
        told(min(99, 100 * written // max(total, 1)))

    path = folder / name_of(period)
    with whole_file(path) as part:
        with part.open("wb") as out:
            manifest = write_pack(Wish(period, actor, now, tell), out)
        with part.open("rb") as file:
            checked = verify_pack(file)
    _note(actor, MADE, f"{period}: SHA-256 {checked.sha256}")
    return path, manifest, checked.sha256


def run_pack(job_id: int, *, stopping: Callable[[], bool] = lambda: False) -> EvidencePack:
    """Write a waiting pack in this process. Raises JobBusy."""
    job = jobs.claim(EvidencePack, job_id)
    with job_files.custody(job):
        try:
            _write(job, stopping)
        except RecordGap as error:
            jobs.fail(job, f"{error} Verify the record, and compare the database with a backup.")
        except PurgedMeanwhile as error:
            jobs.fail(job, str(error))
    return job


@transaction.atomic
def cancel_pack(*, job_id: int, actor: str) -> bool:
    """Ask a pack that is being made to stop. False when it was finished already."""
    pack = EvidencePack.objects.get(pk=job_id)
    if not jobs.cancel(EvidencePack, job_id):
        return False
    _note(actor, "evidence.cancelled", f"{pack}: {pack.period}")
    return True


@transaction.atomic
def note_download(*, pack: EvidencePack, actor: str) -> None:
    """Put on record that somebody took the pack away."""
    _note(actor, "evidence.downloaded", f"{pack}: {pack.period}, SHA-256 {pack.sha256}")


def check_pack(*, pack: EvidencePack, file: BinaryIO, actor: str) -> Checked:
    """Verify a pack that is kept here: in itself, and against what we know of it. Put on record.

    Raises NotWhole, OSError.
    """
    try:
        checked = verify_pack(file)
        made = ActivityEvent.objects.filter(action=MADE, detail__endswith=checked.sha256)
        if checked.sha256 != pack.sha256 or not made.exists():  # a row can be set to anything, the record not
            raise NotWhole("it is whole, but not the file that was made here")
        last = checked.manifest.activity
        there = ActivityEvent.objects.filter(hash=last.hash_after).exists()
        if not there and last.events_before + last.events > newest_seal().count:
            raise NotWhole("the activity record here does not have the event with which it ends")
    except NotWhole as error:
        _note(actor, "evidence.verified", f"{pack} is not whole: {error}", outcome="broken")
        raise
    _note(actor, "evidence.verified", f"{pack}: {pack.period}", outcome="whole")
    return checked


def name_of(period: Period) -> str:
    return f"evidence-{period.since}-to-{period.until}.zip"


def _write(job: EvidencePack, stopping: Callable[[], bool]) -> None:
    told = Told(job, total=workload(job.period), unit="lines", stopping=stopping)
    with job_files.aside("evidence") as out:
        manifest = write_pack(Wish(job.period, job.asked_by, timezone.now(), told), out)
        out.seek(0)
        checked = verify_pack(out, told=lambda percent: told(0))  # what is handed out was read once at least
        job_files.store(out, job.file, name_of(job.period), told)
    with transaction.atomic():
        job_files.finish(job, job.file, manifest.notes, size=checked.bytes, sha256=checked.sha256)
        _note(job.asked_by, MADE, f"{job}: {job.period}, SHA-256 {checked.sha256}")


def _note(actor: str, action: str, what: str, *, outcome: str = "") -> None:
    activity.record(
        events=[Event(actor=actor, action=action, outcome=outcome, detail=what)], at=timezone.now()
    )
