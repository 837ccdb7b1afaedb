"""Write the policy in the database as a policy file."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from members import policy_store
from members.management.base import PlainCommand, output_file, write_whole
from members.policy_file import dump


class Command(PlainCommand):
    help = "Print the policy as a file that loadpolicy reads; categories pinned by hand are not part of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", type=output_file, nargs="?", help="Write it here, do not print it."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        text = dump(policy_store.read())
        paths = [path for path in (options["file"], options["json"]) if path is not None]
        for path in paths:
            write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
            self.stdout.write(str(path))
        if not paths:
            self.stdout.write(text, ending="")
