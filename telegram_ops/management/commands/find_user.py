"""Find somebody wherever we can see them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from members.management.base import ExitCode, PlainCommand, output_file, write_whole
from members.platforms.types import Platform
from members.spreadsheet import one_line
from telegram_ops.find import AT_LEISURE, Depth, Found, PersonUnclear, find_people
from telegram_ops.found_files import found_document, write_found_workbook
from telegram_ops.sightings import Place

TURN_PATIENCE = 30.0
"""Seconds to wait for the Telegram account, before what the last audit saw has to do."""


class Command(PlainCommand):
    help = "Find a person in all groups that we can see, on Telegram and on Slack. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "user",
            metavar="USER",
            help="A username, a t.me link, a numeric id, or an employee's key, name or e-mail.",
        )
        parser.add_argument("--platform", choices=[*map(str, Platform), "all"], default="all")
        parser.add_argument(
            "--details",
            action="store_true",
            help="Their role and since when: one more call for each Telegram group.",
        )
        parser.add_argument(
            "--xlsx", metavar="FILE", type=output_file, help="Write the groups as a workbook to FILE."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        platform = options["platform"]
        try:
            (found,) = find_people(
                [options["user"]],
                platforms=tuple(Platform) if platform == "all" else (Platform(platform),),
                depth=Depth.ALL if options["details"] else Depth.LISTS,
                seconds=AT_LEISURE,
                turn_patience=TURN_PATIENCE,
            )
        except PersonUnclear as error:
            raise CommandError(one_line(str(error)), returncode=ExitCode.USAGE) from error
        self._print(found)
        self._write_files(found, options["xlsx"], options["json"])
        _conclude(found)

    def _print(self, found: Found) -> None:
        who = [one_line(found.name)]
        for look in found.looks:
            if look.user is not None:
                name = f"@{look.user.username} " if look.user.username else ""
                who.append(f"{look.name} {name}{look.user.id}")
        self.stdout.write(" · ".join(who))
        for place in found.places:
            self.stdout.write(_line(place))
        count = len(found.places)
        self.stdout.write(f"In {'1 group' if count == 1 else f'{count} groups'} that we can see.")
        for look in found.looks:
            if look.as_of is not None:
                at = f"{look.as_of:%Y-%m-%d %H:%M} UTC"
                self.stdout.write(f"! {look.name}: this is what the audit of {at} saw.")
        for note in found.notes:
            self.stdout.write(f"! {one_line(note)}")

    def _write_files(self, found: Found, xlsx: Path | None, json: Path | None) -> None:
        if xlsx is not None:

            def write(path: Path) -> None:
                with path.open("wb") as file:
                    write_found_workbook(found, file, now=timezone.now())

            write_whole(xlsx, write)
            self.stdout.write(str(xlsx))
        if json is not None:
            self.write_json(json, found_document(found))
            self.stdout.write(str(json))


def _line(place: Place) -> str:
    notes = []
    if place.group.platform is Platform.TELEGRAM:
        notes.append(f"we: {str(place.group.admin_status).replace('_', ' ')}")
    if place.role is not None:
        since = f" since {place.since:%Y-%m-%d}" if place.since is not None else ""
        notes.append(f"they: {place.role}{since}")
    if place.level is not None:
        notes.append(str(place.level))
    line = f"  {place.group.platform.label:<8}  {one_line(place.group.name)} ({place.group.id})"
    return f"{line}: {', '.join(notes)}" if notes else line


def _conclude(found: Found) -> None:
    """Raises CommandError where something could not be read, or nobody was found."""
    if found.whole:
        return
    troubles = [look for look in found.looks if look.trouble]
    if all(look.user is None for look in found.looks):
        code = ExitCode.NOT_CONFIGURED if any(look.account_trouble for look in troubles) else ExitCode.USAGE
    else:
        code = ExitCode.PARTLY_DONE
    raise CommandError("\n".join(dict.fromkeys(one_line(look.trouble) for look in troubles)), returncode=code)
