"""Prove that a pack of evidence is as it was made. Needs no database."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audits.evidence.verifying import NotWhole, verify_pack
from audits.history.display import counted
from members.management.base import ExitCode, PlainCommand
from members.management.progress import ProgressLine
from members.spreadsheet import one_line


class Command(PlainCommand):
    help = "Check every file of a pack of evidence, and every link of the activity record in it."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="The ZIP file.")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["file"]
        try:
            with path.open("rb") as file, ProgressLine(self) as line:
                checked = verify_pack(file, told=lambda percent: line.show("Checking", percent))
        except OSError as error:
            why = f"Cannot read {one_line(str(path))[:200]}: {error.strerror or error}."
            raise CommandError(why, returncode=ExitCode.USAGE) from error
        except NotWhole as error:
            self.write_json(options["json"], {"whole": False, "problem": str(error)})
            raise CommandError(
                f"The evidence is not whole: {error}.", returncode=ExitCode.UNEXPECTED
            ) from error
        manifest = checked.manifest
        document = {
            "whole": True,
            "problem": "",
            "sha256": checked.sha256,
            "since": manifest.since,
            "until": manifest.until,
            "made_at": manifest.made_at,
            "made_by": manifest.made_by,
            "files": len(manifest.files),
            "events": manifest.activity.events,
            "hash_before": manifest.activity.hash_before,
            "hash_after": manifest.activity.hash_after,
            "notes": list(manifest.notes),
        }
        self.write_json(options["json"], document)
        period = f"{manifest.since} to {manifest.until}, made by {manifest.made_by} at {manifest.made_at}"
        self.stdout.write(
            f"The evidence is whole: {counted(len(manifest.files), 'file')} and "
            f"{counted(manifest.activity.events, 'event')} of {one_line(period)}."
        )
        self.stdout.write(
            f"Its SHA-256 is {checked.sha256}: compare it with the activity record, or with whoever made it."
        )
        for note in manifest.notes:
            self.stdout.write(one_line(note))
