"""Bring a policy file into the database."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from members.management.base import ExitCode, PlainCommand
from members.policy_file import PolicyFileError
from members.policy_load import Action, Changes, load


class Command(PlainCommand):
    help = (
        "Make the policy equal to FILE: a section that it has is replaced, one that it lacks is left alone. "
        "Reads the older file of group categories too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would change, and change nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path, dry_run = options["file"], options["dry_run"]
        try:
            changes = load(path.read_bytes(), reason=f"loadpolicy {path.name}", dry_run=dry_run)
        except OSError as error:
            raise CommandError(f"Cannot read {path}: {error.strerror}.", returncode=ExitCode.USAGE) from error
        except PolicyFileError as error:
            raise CommandError(f"{path}: {error}. Nothing was changed.", returncode=ExitCode.USAGE) from error
        for change in changes.entries if options["verbosity"] else ():
            self.stdout.write(change.as_intent() if dry_run else str(change))
        self.stdout.write(_summary(changes, dry_run=dry_run))
        self.write_json(options["json"], _document(changes, dry_run=dry_run))


def _summary(changes: Changes, *, dry_run: bool) -> str:
    def done(outcome: str) -> str:
        return f"would be {outcome}" if dry_run and outcome in list(Action) else outcome

    counts = ", ".join(f"{count} {done(outcome)}" for outcome, count in changes.counts().items() if count)
    return f"{'Dry run, nothing was changed' if dry_run else 'Policy loaded'}: {counts or 'nothing to do'}."


def _document(changes: Changes, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "counts": changes.counts(),
        "changes": [
            {"action": change.action, "what": change.what, "detail": change.detail}
            for change in changes.entries
        ],
    }
