"""Audit the groups: who must be there, who is, and what is wrong."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audits import services
from audits.contract import audit_document
from audits.models import AuditRun, RunState, Trigger
from audits.reports import console_summary, write_csv
from audits.tasks import enqueue
from audits.workbook import write_workbook
from members.management.base import ExitCode, PlainCommand, ProgressLine, write_whole
from members.platforms.types import Platform
from members.spreadsheet import printable

_EXIT = {
    RunState.COMPLETE: ExitCode.DONE,
    RunState.PARTIAL: ExitCode.PARTLY_DONE,
    RunState.CANCELLED: ExitCode.PARTLY_DONE,
    RunState.FAILED: ExitCode.UNEXPECTED,
}
_ENDED = {
    RunState.PARTIAL: "is partial",
    RunState.CANCELLED: "was cancelled",
    RunState.FAILED: "failed",
}


class Command(PlainCommand):
    help = "Compare the members of every Slack channel and Telegram group in scope with the policy."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--platform", choices=[*map(str, Platform), "all"], default="all")
        parser.add_argument("--deep", action="store_true", help="Read every member list too.")
        parser.add_argument("--xlsx", metavar="FILE", type=Path, help="Write the workbook to FILE.")
        parser.add_argument("--csv", metavar="FILE", type=Path, help="Write the missing members to FILE.")
        parser.add_argument("--background", action="store_true", help="Hand the audit to the workers.")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["platform"]
        platforms = list(Platform) if wanted == "all" else [Platform(wanted)]
        if options["background"]:
            if options["xlsx"] is not None or options["csv"] is not None:
                raise CommandError(
                    "--background leaves the files on the run's page: leave out --xlsx and --csv.",
                    returncode=ExitCode.USAGE,
                )
            run = services.request_audit(platforms=platforms, deep=options["deep"], trigger=Trigger.COMMAND)
            enqueue(run.pk)
            self.write_json(options["json"], {"run": {"id": run.pk, "state": run.state}})
            self.stdout.write(f"Audit {run.pk} is waiting for a worker.")
            return
        run = self._execute(platforms, deep=options["deep"])
        for line in console_summary(run):
            self.stdout.write(line)
        if run.state == RunState.FAILED:
            options |= {"xlsx": None, "csv": None}  # nothing was learnt: what an earlier audit wrote stays
        self._write_files(run, options)
        code = _EXIT[RunState(run.state)]
        if run.account_trouble:
            code = ExitCode.NOT_CONFIGURED
        if run.state != RunState.COMPLETE:
            raise CommandError(self._verdict(run), returncode=code)

    def _execute(self, platforms: list[Platform], *, deep: bool) -> AuditRun:
        try:
            with ProgressLine(self) as line:
                run = services.audit_here(
                    platforms=platforms,
                    deep=deep,
                    trigger=Trigger.COMMAND,
                    show=lambda view: line.show(view.label, view.percent),
                )
        except services.AuditBusy as error:
            raise CommandError(str(error), returncode=ExitCode.UNEXPECTED) from error
        if not run.finished:
            raise CommandError(
                f"Audit {run.pk} was silent for so long that another process took it over: see its page.",
                returncode=ExitCode.UNEXPECTED,
            )
        return run

    def _write_files(self, run: AuditRun, options: dict[str, Any]) -> None:
        if options["xlsx"] is not None:
            write_whole(options["xlsx"], lambda path: write_workbook(run, path))
        if options["csv"] is not None:
            write_whole(options["csv"], lambda path: write_csv(run, path))
        self.write_json(options["json"], audit_document(run))
        for path in (options["xlsx"], options["csv"], options["json"]):
            if path is not None:
                self.stdout.write(str(path))

    def _verdict(self, run: AuditRun) -> str:
        reason = printable(run.message.splitlines()[0]) if run.message else "see above"
        return f"Audit {run.pk} {_ENDED[RunState(run.state)]}: {reason}"
