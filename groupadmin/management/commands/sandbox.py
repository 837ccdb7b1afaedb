"""Start the sandbox company's Slack and Telegram, and say how to point Group Admin at them."""

from __future__ import annotations

import json
import shlex
import time
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

from django.core.management.base import CommandError

from groupadmin.processes import exit_on_signals
from groupadmin.sandbox.company import Company, Size, add_talk, build_company
from groupadmin.sandbox.runner import Sandbox
from members.management.base import PlainCommand, output_file, port_number, write_whole

DEFAULT_SIZE = Size()
DEFAULT_GROUPS = DEFAULT_SIZE.slack_in_scope + DEFAULT_SIZE.telegram_shared


class Command(PlainCommand):
    help = "Run an invented company's Slack and Telegram on this machine until Ctrl-C."
    requires_system_checks = ()
    requires_migrations_checks = False
    writes_json = False
    keeps_log = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--slack-port", type=port_number, default=0, metavar="PORT", help="default: a free one"
        )
        parser.add_argument(
            "--telegram-port", type=port_number, default=0, metavar="PORT", help="default: a free one"
        )
        parser.add_argument("--seed", type=int, default=7, help="another seed, another company (%(default)s)")
        parser.add_argument(
            "--size",
            type=_positive,
            default=DEFAULT_GROUPS,
            metavar="GROUPS",
            help="groups in scope on both platforms together (%(default)s)",
        )
        parser.add_argument(
            "--members",
            type=_positive,
            default=DEFAULT_SIZE.members_per_group,
            help="customers in a group on average (%(default)s)",
        )
        parser.add_argument(
            "--latency",
            type=float,
            default=0.0,
            metavar="MS",
            help="milliseconds that every call takes (%(default)s)",
        )
        parser.add_argument(
            "--speed",
            type=float,
            metavar="FACTOR",
            help="Slack's rate limits, this many times faster; 1 is Slack's own pace (default: no limits)",
        )
        parser.add_argument(
            "--write-policy", type=output_file, metavar="FILE", help="write the company's policy.json here"
        )
        parser.add_argument(
            "--env-file", type=output_file, metavar="FILE", help="write the environment here, as a .env file"
        )
        parser.add_argument(
            "--write-log",
            type=output_file,
            metavar="FILE",
            help="keep every write to either platform here, one JSON object a line",
        )

    def handle(
        self, *, write_policy: Path | None, env_file: Path | None, write_log: Path | None, **options: Any
    ) -> None:
        if write_log is not None:
            _write(write_log, "")
        size = Size.of(options["size"], options["members"])
        company = build_company(size, options["seed"], privacy=True)
        add_talk(company, time.time())
        sandbox = Sandbox(
            company,
            slack_speed=options["speed"],
            slack_latency=options["latency"] / 1000,
            slack_port=options["slack_port"],
            telegram_latency=options["latency"] / 1000,
            write_log=write_log,
            telegram_port=options["telegram_port"],
        )
        with exit_on_signals(), ExitStack() as stack:
            try:
                stack.enter_context(sandbox)
            except OSError as error:
                raise CommandError(
                    f"The sandbox cannot start ({error.strerror}): choose other ports."
                ) from error
            environment = sandbox.environment()
            if write_policy is not None:
                _write(write_policy, json.dumps(company.policy, indent=1, ensure_ascii=False) + "\n")
            if env_file is not None:
                _write(env_file, "".join(f"{name}={value}\n" for name, value in environment.items()))
            self._greet(company, environment)
            Event().wait()

    def _greet(self, company: Company, environment: dict[str, str]) -> None:
        """Comments and assignments: all of it can be pasted into a shell."""
        groups = company.truth.groups
        slack = sum(platform == "slack" for platform, _ in groups)
        self.stdout.write(
            f"# An invented company with {slack} Slack channels and {len(groups) - slack} Telegram groups"
        )
        self.stdout.write("# in scope is up. Point Group Admin at it:")
        for name, value in environment.items():
            self.stdout.write(f"export {name}={shlex.quote(value)}")
        self.stdout.write(
            f"# Telegram's sign-in code for {company.telegram_phone}: {company.telegram.login_code}"
        )
        self.stdout.write("# Ctrl-C stops it.")
        self.stdout.flush()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
