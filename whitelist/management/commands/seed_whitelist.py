"""Protect everybody who is in the gated community now."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from members.management.base import ExitCode, PlainCommand
from members.management.progress import ProgressLine
from members.management.writing import command_line_actor
from members.platforms.errors import AccountTrouble, NotConfigured, PlatformError
from whitelist.reading import Roster, read_community
from whitelist.seeding import Seeding, plan_seeding, seed


class Command(PlainCommand):
    help = (
        "Read everybody in the gated community through the Telegram account and put them on the whitelist. "
        "Only says what it would do, unless --yes is given."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--yes", action="store_true", help="Do it.")
        how.add_argument("--dry-run", action="store_true", help="Only read and compare: the default.")
        parser.add_argument(
            "--revive",
            action="store_true",
            help="Protect those too whose entry was burned.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        roster = self._read()
        if options["yes"]:
            seeding = seed(roster, actor=command_line_actor().name, revive=options["revive"])
        else:
            seeding = plan_seeding(roster, revive=options["revive"])
        self._tell(roster, seeding, done=options["yes"])
        if options["json"] is not None:
            document = {"dry_run": not options["yes"], "community": str(roster.chat_id), **asdict(seeding)}
            self.write_json(options["json"], document)
            self.stdout.write(str(options["json"]))
        if seeding.missing:
            raise CommandError(
                f"Telegram counts {roster.expected:,} members and showed {seeding.members:,}: "
                f"{seeding.missing:,} are missing and not protected. Run it again; an admin sees most.",
                returncode=ExitCode.PARTLY_DONE,
            )

    def _read(self) -> Roster:
        try:
            with ProgressLine(self) as line:
                return read_community(
                    show=lambda done, total: line.show(
                        f"{done:,} members read", 100 * done // total if total else 0
                    )
                )
        except PlatformError as error:
            trouble = isinstance(error, AccountTrouble | NotConfigured)
            code = ExitCode.NOT_CONFIGURED if trouble else ExitCode.UNEXPECTED
            raise CommandError(str(error), returncode=code) from error

    def _tell(self, roster: Roster, seeding: Seeding, *, done: bool) -> None:
        counted = "" if roster.expected is None else f" of {roster.expected:,} whom Telegram counts"
        self.stdout.write(f"{roster.name}: {seeding.members:,} members{counted}.")
        verb = "Protected" if done else "Would protect"
        self.stdout.write(f"{verb} {seeding.new:,}; {seeding.already:,} were protected already.")
        if seeding.revived:
            self.stdout.write(f"{verb} again {seeding.revived:,} whose entry was burned.")
        if seeding.burned:
            self.stdout.write(f"Skipped {seeding.burned:,} whose entry was burned (--revive).")
        if seeding.left:
            self.stdout.write(f"Burned {seeding.left:,} who left while nobody listened.")
        if not done:
            self.stdout.write("Nothing was done. To do it, say --yes.")
