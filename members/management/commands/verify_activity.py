"""Prove that the record of who did what is whole."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from members.management.base import ExitCode, PlainCommand
from members.management.writing import command_line_actor
from members.operations.record_check import problem_of, verify_record


class Command(PlainCommand):
    help = "Read the whole activity record and check that nothing in it was changed, taken out or put in."

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify_record(actor=command_line_actor().name)
        document = {
            "whole": not verdict.problem,
            "events": verdict.length,
            "purged": verdict.purged,
            "broken_at": verdict.broken_at,
            "problem": verdict.problem,
        }
        self.write_json(options["json"], document)
        if verdict.problem:
            raise CommandError(
                f"The activity record is not whole: {problem_of(verdict)} Keep the database as it is, "
                "and compare it with a backup.",
                returncode=ExitCode.UNEXPECTED,
            )
        older = f" {verdict.purged:,} older ones were purged." if verdict.purged else ""
        self.stdout.write(
            f"The activity record is whole: {verdict.length:,} events, every link checked.{older}"
        )
