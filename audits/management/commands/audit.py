"""Audit the groups: who must be there, who is, and what is wrong."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from audits import services
from audits.contract import audit_document
from audits.models import AuditRun, RunState, Trigger
from audits.reports import console_summary, write_csv
from audits.tasks import enqueue
from audits.workbook import write_workbook
from members.management.base import ExitCode, PlainCommand, output_file, write_whole
from members.management.progress import ProgressLine
from members.platforms.types import Platform
from members.policy import asks_for_nobody, includes_nothing
from members.services import load_policy
from members.spreadsheet import printable

_EXIT = {
    RunState.COMPLETE: ExitCode.DONE,
    RunState.PARTIAL: ExitCode.PARTLY_DONE,
    RunState.CANCELLED: ExitCode.UNEXPECTED,
    RunState.FAILED: ExitCode.UNEXPECTED,
}
_WHERE_TO_SAY = "say with loadpolicy, or under Policy in the admin,"


class Command(PlainCommand):
    help = "Compare the members of every Slack channel and Telegram group in scope with the policy."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--platform", choices=[*map(str, Platform), "all"], default="all")
        parser.add_argument("--deep", action="store_true", help="Read every member list too.")
        parser.add_argument("--xlsx", metavar="FILE", type=output_file, help="Write the workbook to FILE.")
        parser.add_argument(
            "--csv", metavar="FILE", type=output_file, help="Write the missing members to FILE."
        )
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
        code, lines = _verdict(run)
        try:
            self._write_files(run, options)
        except CommandError as error:
            code, lines = error.returncode, [*lines, str(error)]
        if code != ExitCode.DONE:
            raise CommandError("\n".join(lines), returncode=code)
        for line in lines:
            self.stderr.write(line)

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
            raise CommandError(_taken_over(run), returncode=ExitCode.UNEXPECTED)
        return run

    def _write_files(self, run: AuditRun, options: Mapping[str, Any]) -> None:
        if run.state in (RunState.COMPLETE, RunState.PARTIAL):  # else what an earlier audit wrote stays
            for name, write in (("xlsx", write_workbook), ("csv", write_csv)):
                if options[name] is not None:
                    write_whole(options[name], partial(write, run))
                    self.stdout.write(str(options[name]))
        if options["json"] is not None:
            self.write_json(options["json"], audit_document(run))
            self.stdout.write(str(options["json"]))


def _taken_over(run: AuditRun) -> str:
    """What kept this process from bringing the run to its end, and what to do."""
    why = run.message or "This process gave no sign of life for so long that another one may go on with it."
    return (
        f"{why} Nothing was recorded here: run manage.py audit again, or leave it to the workers, "
        f"for whom it waits as {run}."
    )


def _verdict(run: AuditRun) -> tuple[int, list[str]]:
    """The exit code, and what a person has to know: a line for everything that went wrong."""
    lines = [printable(line) for line in run.message.splitlines()]
    if run.account_trouble:
        return ExitCode.NOT_CONFIGURED, lines
    if run.state != RunState.COMPLETE:
        return _EXIT[RunState(run.state)], lines or ["The audit did not come to its end: see its page."]
    policy, platforms = load_policy(), [Platform(name) for name in run.platforms]
    empty = [platform for platform in platforms if includes_nothing(platform, policy)]
    if empty:
        lines.append(f"Nothing on {_all_of(empty)} is in scope: {_WHERE_TO_SAY} which groups count.")
    elif not run.results.exists():
        lines.append("No group matches the scope: compare it with the names of the groups.")
    lawless = [platform for platform in platforms if asks_for_nobody(platform, policy)]
    if lawless and run.results.exists():
        lines.append(f"Nobody is asked for on {_all_of(lawless)}: {_WHERE_TO_SAY} who must be in the groups.")
    return ExitCode.NOT_CONFIGURED if empty == platforms else ExitCode.DONE, lines


def _all_of(platforms: Iterable[Platform]) -> str:
    return " and ".join(platform.label for platform in platforms)
