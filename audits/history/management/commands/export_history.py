"""Export conversations in a format that other programs read, fetching first what is missing of them."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from audits.history import exports, sync, tasks
from audits.history.exporting import ExportWish, WrongFormat, check, estimate, export_into
from audits.history.formats import Format
from audits.history.models import SyncJob
from audits.history.targets import WrongGroup, find_groups
from members.jobs import JobBusy, JobState
from members.management.base import ExitCode, PlainCommand
from members.management.interruption import Interruption
from members.management.progress import ProgressLine
from members.spreadsheet import printable

_ACTOR = "command line"


class Command(PlainCommand):
    help = "Export the conversations of groups, by id or name; prints one path a line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("groups", nargs="+", metavar="GROUP", help="A group's id or name.")
        parser.add_argument("--format", required=True, choices=[str(each) for each in Format])
        parser.add_argument("--since", metavar="DATE", type=_moment, help="From this day on (UTC).")
        parser.add_argument("--until", metavar="DATE", type=_end, help="Up to the end of this day (UTC).")
        parser.add_argument("--media", action="store_true", help="With the files that were sent.")
        parser.add_argument("--no-sync", action="store_true", help="Export what is kept already.")
        parser.add_argument(
            "--out", metavar="DIR", type=Path, default=Path(), help="Where to; here by default."
        )
        parser.add_argument("--background", action="store_true", help="Hand the export to the workers.")

    def handle(self, *args: Any, **options: Any) -> None:
        wish = self._wish(options)
        if options["background"]:
            job = exports.request_export(wish=wish, asked_by=_ACTOR, sync_first=not options["no_sync"])
            tasks.enqueue_export(job.pk)
            if job.sync_id is not None:
                tasks.enqueue_sync(job.sync_id)
            self.write_json(options["json"], {"export": {"id": job.pk, "state": job.state}})
            self.stdout.write(f"{job} is waiting for a worker.")
            return
        synced = None if options["no_sync"] else self._sync(wish)
        size = estimate(wish)
        self.stderr.write(f"{size.messages:,} messages, about {_megabytes(size.bytes)}.")
        paths = export_into(wish, options["out"])
        exports.note_export(wish=wish, actor=_ACTOR)
        for path in paths:
            self.stdout.write(str(path))
        self.write_json(
            options["json"],
            {"files": [str(path) for path in paths], "messages": size.messages, "format": wish.format},
        )
        if synced is not None and synced.state != JobState.DONE:
            _complain(synced)

    def _wish(self, options: dict[str, Any]) -> ExportWish:
        try:
            groups = find_groups(options["groups"])
            wish = ExportWish(
                groups, Format(options["format"]), options["since"], options["until"], options["media"]
            )
            check(wish)
        except (WrongGroup, WrongFormat) as error:
            raise CommandError(str(error), returncode=ExitCode.USAGE) from error
        if wish.since and wish.until and wish.since >= wish.until:
            raise CommandError("--since is later than --until: swap them.", returncode=ExitCode.USAGE)
        return wish

    def _sync(self, wish: ExportWish) -> SyncJob:
        """Fetch what is missing, waiting here for what the platforms ask to wait for."""
        job = sync.request_sync(
            groups=wish.groups, asked_by=_ACTOR, since=wish.since, until=wish.until, media=wish.media
        )
        with ProgressLine(self) as line, Interruption() as interruption:

            def show(now: SyncJob) -> None:
                line.show(f"{now.progress_label} ({now.messages_new:,} new)", now.progress_percent)

            while not job.finished:
                if (
                    job.resume_at is not None
                    and (wait := (job.resume_at - timezone.now()).total_seconds()) > 0
                ):
                    line.note(printable(job.message) or "Waiting")
                    time.sleep(min(wait, 1.0))
                    if interruption.asked:
                        raise KeyboardInterrupt
                    continue
                try:
                    job = sync.run_sync(job.pk, show=show, stopping=lambda: interruption.asked)
                except JobBusy:  # a worker of the running stack has taken it up: it is as good as ours
                    time.sleep(0.5)
                    job.refresh_from_db()
                    show(job)
                if interruption.asked:
                    raise KeyboardInterrupt
        return job


def _complain(job: SyncJob) -> None:
    """What could not be fetched: the export holds what is kept all the same."""
    code = ExitCode.PARTLY_DONE if job.done or job.messages_new else ExitCode.UNEXPECTED
    if job.account_trouble:
        code = ExitCode.NOT_CONFIGURED
    lines = [printable(line) for line in job.message.splitlines()]
    raise CommandError("\n".join(["Not everything could be fetched:", *lines]), returncode=code)


def _moment(text: str) -> datetime:
    """An argument's type: a day, or a moment, in UTC unless it says otherwise. Raises CommandError."""
    try:
        day, moment = parse_date(text), parse_datetime(text)
    except ValueError:
        day = moment = None
    if day is not None:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is not None:
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise CommandError(f"{text!r} is no date: write it like 2026-01-31.", returncode=ExitCode.USAGE)


def _end(text: str) -> datetime:
    """A day as its end, since people mean it to be part of it."""
    moment = _moment(text)
    return moment + timedelta(days=1) if len(text) <= len("2026-01-31") else moment


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{max(size // 1000, 1)} KB"
