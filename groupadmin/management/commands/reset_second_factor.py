"""Let somebody who lost their phone and their recovery codes sign in again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from groupadmin import second_factor
from members.management.base import ExitCode, PlainCommand
from members.management.writing import command_line_actor


class Command(PlainCommand):
    help = "Forget somebody's second factor: they set up another when they sign in next."
    writes_json = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the name that they sign in with")

    def handle(self, *args: Any, user: str, **options: Any) -> None:
        person = User.objects.filter(username=user).first()
        if person is None:
            raise CommandError(f"Nobody signs in as {user!r}.", returncode=ExitCode.USAGE)
        if second_factor.reset(user=person, actor=command_line_actor().name):
            self.stdout.write(f"{user} sets up another second factor at the next sign-in.")
        else:
            self.stdout.write(f"{user} has set up none.")
