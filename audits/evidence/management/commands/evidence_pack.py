"""Make a pack of evidence for an audit period."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.dateparse import parse_date

from audits.evidence import packs, tasks
from audits.evidence.period import Period, WrongPeriod
from audits.evidence.record import PurgedMeanwhile, RecordGap
from members.management.base import ExitCode, PlainCommand
from members.management.progress import ProgressLine
from members.management.writing import command_line_actor


class Command(PlainCommand):
    help = "Pack what happened in a period, for whoever checks it: one ZIP file, whose path is printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", metavar="DATE", type=_day, required=True, help="The first day (UTC).")
        parser.add_argument(
            "--until", metavar="DATE", type=_day, required=True, help="The last day (UTC), whole."
        )
        parser.add_argument(
            "--out", metavar="DIR", type=Path, default=Path(), help="Where to; here by default."
        )
        parser.add_argument("--background", action="store_true", help="Hand it to the workers.")

    def handle(self, *args: Any, **options: Any) -> None:
        period, actor = Period(options["since"], options["until"]), command_line_actor().name
        try:
            if options["background"]:
                self._request(period, actor, options["json"])
            else:
                self._make(period, actor, options["out"], options["json"])
        except WrongPeriod as error:
            raise CommandError(str(error), returncode=ExitCode.USAGE) from error
        except PurgedMeanwhile as error:
            raise CommandError(str(error), returncode=ExitCode.UNEXPECTED) from error
        except RecordGap as error:
            raise CommandError(
                f"{error} Keep the database as it is, and compare it with a backup.",
                returncode=ExitCode.UNEXPECTED,
            ) from error

    def _request(self, period: Period, actor: str, json: Path | None) -> None:
        pack = packs.request_pack(period=period, asked_by=actor)
        tasks.enqueue_pack(pack.pk)
        self.write_json(json, {"evidence": {"id": pack.pk, "state": pack.state}})
        self.stdout.write(f"{pack} is waiting for a worker.")

    def _make(self, period: Period, actor: str, folder: Path, json: Path | None) -> None:
        with ProgressLine(self) as line:
            path, manifest, sha256 = packs.make_pack(
                period=period,
                folder=folder,
                actor=actor,
                told=lambda percent: line.show(f"Evidence of {period}", percent),
            )
        self.stdout.write(str(path))
        self.stderr.write(f"{len(manifest.files):,} files, SHA-256 {sha256}")
        document = {
            "file": str(path),
            "sha256": sha256,
            "files": len(manifest.files),
            "events": manifest.activity.events,
            "notes": list(manifest.notes),
        }
        self.write_json(json, document)
        if manifest.notes:
            raise CommandError("\n".join(manifest.notes), returncode=ExitCode.PARTLY_DONE)


def _day(text: str) -> date:
    """An argument's type. Raises CommandError."""
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"{text!r} is no date: write it like 2026-01-31.", returncode=ExitCode.USAGE)
    return day
