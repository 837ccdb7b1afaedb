"""Jobs that write one file to be taken away: it is there, whole, when they end well, and else not at all."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files import File
from django.db.models.fields.files import FieldFile

from members import jobs
from members.jobs import Job, JobLost, JobState

HEARTBEAT_SECONDS = 1.0


@contextmanager
def custody(job: Job) -> Iterator[None]:
    """As that of `jobs`, but nothing is tried again: neither a crash nor what the disk refused."""
    with jobs.custody(job, crashed=jobs.fail, cancelled="Cancelled; no file was left behind."):
        try:
            yield
        except OSError as error:
            jobs.fail(job, f"The file could not be written: {error.strerror or error}.")


class Told:
    """To be told how much was written, so that the job's row tells it too, about once a second."""

    def __init__(self, job: Job, *, total: int, unit: str, stopping: Callable[[], bool]) -> None:
        """`unit` is what is counted, in the plural: "messages"."""
        self.written = 0
        self._job, self._total, self._unit, self._stopping = job, total, unit, stopping
        self._beat_at = time.monotonic()

    def __call__(self, count: int) -> None:
        """So many more. Raises JobLost, Cancelled, Stopping."""
        self.written += count
        if time.monotonic() < self._beat_at + HEARTBEAT_SECONDS:
            return
        self._beat_at = time.monotonic()
        percent = min(99, 100 * self.written // max(self._total, 1))
        label = f"{self.written:,} of {self._total:,} {self._unit}"
        jobs.beat(self._job, progress_percent=percent, progress_label=label)
        jobs.heed(self._job, self._stopping)


@contextmanager
def aside(folder: str) -> Iterator[BinaryIO]:
    """A file without a name to write into first, in a folder of VAR_DIR: it is gone whenever we are."""
    path = Path(settings.VAR_DIR) / folder
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path) as out:
        yield out


def store(content: BinaryIO, file: FieldFile, name: str, told: Told) -> None:
    """Hand the whole `content` to the storage of `file`, under a name like `name`."""
    content.seek(0)
    file.save(name, _Watched(content, told), save=False)


def finish(job: Job, file: FieldFile, notes: Sequence[str], **changes: Any) -> None:
    """End the job with its stored file; one that nobody waits for any more is deleted again.

    `notes` say what the file lacks, a line each. Raises JobLost.
    """
    state = JobState.PARTIAL if notes else JobState.DONE
    ended = {"file": file.name, "progress_percent": 100, "progress_label": "", **changes}
    try:
        jobs.end(job, state, "\n".join(notes), **ended)
    except JobLost:
        file.delete(save=False)
        raise


class _Watched(File):
    """A file that gives a sign of life while a storage reads it, which may take long."""

    def __init__(self, content: BinaryIO, told: Told) -> None:
        super().__init__(content)
        self._content, self._told = content, told

    def read(self, *size: int) -> bytes:
        self._told(0)
        return self._content.read(*size)
