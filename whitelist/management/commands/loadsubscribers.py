"""Bring a file of subscribers into the database."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from members.management.base import ExitCode, PlainCommand
from members.management.writing import command_line_actor
from whitelist.subscriber_file import COLUMNS, SubscriberFileError, read_subscribers
from whitelist.subscriptions import load_subscribers


class Command(PlainCommand):
    help = (
        "Make the subscriptions of the people in FILE what it says; others stay. "
        f"Columns: {', '.join(COLUMNS)}. "
        "Times are UTC unless they say otherwise; a day without a time means its end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="Only check the file.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            rows = read_subscribers(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CommandError(f"Cannot read {path}: {error.strerror}.", returncode=ExitCode.USAGE) from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{path} is no text in UTF-8.", returncode=ExitCode.USAGE) from error
        except SubscriberFileError as error:
            raise CommandError(f"{path}: {error}. Nothing was changed.", returncode=ExitCode.USAGE) from error
        if options["dry_run"]:
            self.stdout.write(f"Dry run, nothing was changed: {len(rows):,} subscribers in the file.")
            self.write_json(options["json"], {"dry_run": True, "rows": len(rows)})
            return
        actor = command_line_actor().name
        loaded = load_subscribers(rows=rows, actor=actor, source=path.name, now=timezone.now())
        self.stdout.write(f"{loaded.new:,} new, {loaded.changed:,} changed, {loaded.same:,} as they were.")
        self.write_json(
            options["json"],
            {"dry_run": False, "new": loaded.new, "changed": loaded.changed, "same": loaded.same},
        )
