"""The kicks: how they stand, whom a sweep would kick, and the switch."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from members.clock import shared_now
from members.management.base import ExitCode
from members.management.writing import SHOWN, WriterCommand, command_line_actor
from members.operations.plan import Plan
from members.spreadsheet import one_line
from whitelist import community, facts, flags, preflight
from whitelist.decision import Reason
from whitelist.names import Name, names_of
from whitelist.preflight import PreflightRefused, Report
from whitelist.record import gated_chat_id
from whitelist.sweep import KIND, SweepPlan, plan_sweep


class Command(WriterCommand):
    help = (
        "How the kicks stand (status), whom a sweep would kick (dryrun), the switch (on, off), and a sweep, "
        "which kicks nobody while kicks are off."
    )
    kind = KIND

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=("status", "dryrun", "on", "off", "sweep"))
        super().add_arguments(parser)  # --count among them: for "on", the number of people at risk
        parser.add_argument(
            "--confirm", metavar="HASH", help="on: the dry run that was shown; without it, it is only shown."
        )
        parser.add_argument("--hours", type=int, metavar="H", help="on: turn off again after so many hours.")

    def execute(self, *args: Any, **options: Any) -> str | None:
        if options["what"] == "off":  # no wrong setting, missing table or full disk may keep them on
            self.requires_system_checks, self.requires_migrations_checks = [], False
            self.keeps_log = False
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        what = options["what"]
        for name, belongs_to in _BELONGS_TO.items():
            if options[name] and what not in belongs_to:
                raise CommandError(
                    f"--{name.replace('_', '-')} belongs to “kicks {' or '.join(belongs_to)}”.",
                    returncode=ExitCode.USAGE,
                )
        match what:
            case "status":
                self._status(options)
            case "dryrun":
                self._dryrun(options)
            case "on":
                self._on(options)
            case "off":
                self._off(options)
            case "sweep":
                super().handle(*args, **options)

    def plan(self, options: dict[str, Any]) -> Plan:
        if not gated_chat_id():
            raise CommandError(
                "There is no gated community: set TELEGRAM_GATED_CHAT_ID.",
                returncode=ExitCode.NOT_CONFIGURED,
            )
        return plan_sweep(now=shared_now()).plan

    def _status(self, options: Mapping[str, Any]) -> None:
        document = status_document()
        self.stdout.write(_stand(document))
        self.stdout.write(
            f"{document['members']:,} members, {document['subscribed']:,} subscribed, "
            f"{document['whitelisted']:,} whitelisted, {document['at_risk']:,} at risk."
        )
        if document["last_reading"] is None:
            self.stdout.write("The member list has not been read yet.")
        self._write(options, document)

    def _dryrun(self, options: Mapping[str, Any]) -> None:
        sweep = plan_sweep(now=shared_now())
        document = dryrun_document(sweep)
        self._print_sweep(document)
        self.stdout.write("This was a dry run: nobody was kicked.")
        self._write(options, document)

    def _off(self, options: Mapping[str, Any]) -> None:
        was_on = flags.turn_kicks_off(actor=command_line_actor().name)
        self.stdout.write("Kicks are off." if was_on else "Kicks were off already.")
        if options["json"] is not None:
            self._write(options, status_document())

    def _on(self, options: Mapping[str, Any]) -> None:
        actor = command_line_actor().name
        if options["confirm"] is None:
            if options["count"] is not None or options["hours"] is not None:
                raise CommandError("--count and --hours go with --confirm HASH.", returncode=ExitCode.USAGE)
            self._show(preflight.show(actor=actor), options)
            return
        if options["count"] is None:
            raise CommandError("Say the number of people at risk: --count N.", returncode=ExitCode.USAGE)
        try:
            until = preflight.turn_on(
                actor=actor,
                plan_hash=options["confirm"],
                count=options["count"],
                hours=options["hours"],
                typed_count=options["count"],
            )
        except PreflightRefused as error:
            raise CommandError(f"{error} Kicks are as they were.", returncode=ExitCode.USAGE) from error
        self.stdout.write(f"Kicks are on until {until:%Y-%m-%d %H:%M} UTC." if until else "Kicks are on.")
        self._write(options, status_document())

    def _show(self, report: Report, options: Mapping[str, Any]) -> None:
        document = dryrun_document(report.sweep) | {
            "members": report.census.members,
            "accounted_for": report.accounted,
            "accounted_share": round(report.share, 4),
            "objection": report.objection,
        }
        self._print_sweep(document)
        count = str(report.count)
        if report.objection:
            self.stdout.write(f"! {report.objection}")
            count = "N, where you type the number at risk for N"
        self.stdout.write(
            "Kicks are as they were. To turn them on, within ten minutes: "
            f"kicks on --confirm {report.plan_hash} --count {count}"
        )
        self._write(options, document)

    def _print_sweep(self, document: Mapping[str, Any]) -> None:
        kick = document["kick"]
        self.stdout.write(f"A sweep would kick {len(kick):,} (dry run {document['plan_hash']}):")
        for line in kick[:SHOWN]:
            self.stdout.write(
                one_line(f"  {line['telegram_id']}  {line['username'] and '@' + line['username']}")
            )
        if len(kick) > SHOWN:
            self.stdout.write(f"  and {len(kick) - SHOWN:,} more")
        for reason, count in document["keep"].items():
            self.stdout.write(f"It would keep {count:,} because {Reason(reason).words}.")

    def _write(self, options: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        if options["json"] is not None:
            self.write_json(options["json"], document)
            self.stdout.write(str(options["json"]))


_BELONGS_TO = {
    "confirm": ("on",),
    "hours": ("on",),
    "count": ("on", "sweep"),
    "yes": ("sweep",),
    "background": ("sweep",),
}


def _stand(document: Mapping[str, Any]) -> str:
    if not document["kick_enabled"]:
        return "Kicks are off."
    until = document["kick_enabled_until"]
    return f"Kicks are ON until {until}." if until else "Kicks are ON."


def status_document() -> dict[str, Any]:
    """How the kicks and the community stand, as JSON."""
    census = facts.census(now=shared_now())
    switch, on = flags.switch(), flags.kick_enabled()
    reading = community.last_reading(gated_chat_id())
    return {
        "kick_enabled": on,
        "kick_enabled_until": switch.expires_at.isoformat() if on and switch.expires_at else None,
        "changed_by": switch.changed_by,
        "members": census.members,
        "subscribed": census.subscribed,
        "whitelisted": census.whitelisted,
        "burned": census.burned,
        "at_risk": census.at_risk,
        "accounted_for": facts.accounted_for(),
        "last_reading": None
        if reading is None
        else {
            "at": reading.read_at.isoformat(),
            "seen": reading.seen,
            "expected": reading.expected,
            "whole": reading.whole,
        },
    }


def dryrun_document(sweep: SweepPlan) -> dict[str, Any]:
    """Whom a sweep would kick and keep, as JSON."""
    ids = [int(step.target.user_id) for step in sweep.plan.steps]
    names = names_of(ids)
    return {
        "plan_hash": sweep.plan.hash,
        "count": sweep.plan.count,
        "kick": [_line(telegram_id, names[telegram_id]) for telegram_id in ids],
        "keep": {str(reason): count for reason, count in sweep.kept.items()},
    }


def _line(telegram_id: int, name: Name) -> dict[str, Any]:
    return {"telegram_id": telegram_id, "username": name.username or None, "reason": str(Reason.EXPIRED)}
