"""Show everything at once: an invented company, a full audit over the real wire, and the admin."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from groupadmin import demo_rows
from groupadmin.embedded import AlreadyRunning, only_instance
from groupadmin.processes import foreground
from groupadmin.sandbox.company import Community, Company, add_community, add_talk, build_company
from groupadmin.sandbox.runner import Sandbox
from members.management.base import ExitCode, PlainCommand, port_number, write_whole

USER = "demo"
LEFT_OUT = (
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DEBUG",
    "EMAIL_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "SITE_URL",
    "SLACK_NOTIFY_CHANNEL",
    "TELEGRAM_BOT_OWNERS",
    "TELEGRAM_GATED_CHAT_ID",
)
"""What this machine may be configured for and the demo must know nothing of; the sandbox names the rest."""


class Command(PlainCommand):
    requires_migrations_checks = False  # the demo has a database of its own
    keeps_log = False  # the commands that it runs keep theirs
    help = "Audit an invented company on this machine and open the admin. Touches no real account or data."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Stop after the audit.")
        parser.add_argument("--port", type=port_number, default=8000)
        parser.add_argument("--fill", nargs="+", metavar="WHAT", help=SUPPRESS)  # it calls itself with this

    def handle(self, *args: Any, fill: Sequence[str] | None, **options: Any) -> None:
        if fill:
            subscribers, *unprotected = fill
            demo_rows.fill(USER, subscribers, map(int, unprotected))
            return
        try:
            with only_instance(settings.VAR_DIR / "demo.lock"):  # a second one would empty its folder
                self._show(**options)
        except AlreadyRunning as error:
            raise CommandError(str(error)) from error

    def _show(self, *, once: bool, port: int, json: Path | None, **_: Any) -> None:
        if not once:
            _require_free(port)
        home = settings.VAR_DIR / "demo"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        company = build_company(privacy=True)
        now = datetime.now(UTC)
        add_talk(company, now.timestamp())
        community = add_community(company, now)
        policy = home / "policy.json"
        policy.write_text(dumps(company.policy, ensure_ascii=False, indent=1), encoding="utf-8")
        self.stdout.write("Starting the sandbox: an invented company on loopback Slack and Telegram servers.")
        with Sandbox(company, folder=home, slack_latency=0.06, telegram_latency=0.04) as sandbox:
            gated = {"TELEGRAM_GATED_CHAT_ID": str(community.chat_id)}
            env = self._environment(home, sandbox.environment() | gated)
            self._manage(env, "migrate", "--verbosity=0")
            self._manage(env, "loadpolicy", str(policy), "--verbosity=0")
            workbook = home / "customer_group_audit.xlsx"
            outcome = () if json is None else ("--json", str(json))
            self._manage(env, "audit", "--xlsx", str(workbook), *outcome)
            if not once:
                password = self._fill(env, home, community)
                self._tell_how_to_go_on(home, env, company)
                self.stdout.write(
                    self.style.SUCCESS(
                        f"Sign in at http://127.0.0.1:{port}/ as {USER} with the password {password}"
                    )
                )
                self._manage(env, "serve", f"--port={port}")

    def _tell_how_to_go_on(self, home: Path, env: Mapping[str, str], company: Company) -> None:
        """How to sign in to the sandbox's Telegram, and to run commands beside the running demo."""
        file = home / "demo.env"
        changed = {name: value for name, value in sorted(env.items()) if os.environ.get(name) != value}
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in changed.items())
        write_whole(file, lambda partial: partial.write_text("".join(lines), encoding="utf-8"))
        self.stdout.write(
            f"To sign in to Telegram here: phone {company.telegram_phone}, code {company.telegram.login_code}"
        )
        self.stdout.write(
            f"Commands beside it: ( . {shlex.quote(str(file))}; .venv/bin/python manage.py find_user bo )"
        )

    def _environment(self, home: Path, sandbox: Mapping[str, str]) -> dict[str, str]:
        """The demo's own database and folder, whatever this machine is configured for."""
        return os.environ | {
            **dict.fromkeys(LEFT_OUT, ""),
            "VAR_DIR": str(home),
            "MEDIA_ROOT": str(home / "media"),
            "REQUIRE_SECOND_FACTOR": "False",
            **sandbox,
        }

    def _fill(self, env: Mapping[str, str], home: Path, community: Community) -> str:
        """Somebody who may sign in, the gated community, and a few customers; the password of the first."""
        password = secrets.token_urlsafe(9)
        subscribers = home / "subscribers.csv"
        subscribers.write_text(community.subscribers, encoding="utf-8")
        self._manage(
            {**env, "DJANGO_SUPERUSER_PASSWORD": password},
            "demo",
            "--fill",
            str(subscribers),
            *map(str, community.unprotected),
        )
        return password

    def _manage(self, env: Mapping[str, str], *arguments: str) -> None:
        """Run one of our commands in a process of its own: settings are read once per process."""
        manage = settings.BASE_DIR / "manage.py"
        code = foreground([sys.executable, str(manage), *arguments], env)
        if code == ExitCode.INTERRUPTED:
            sys.exit(code)
        if code:
            raise CommandError(f"The demo stopped: `{arguments[0]}` failed.", returncode=code)


def _require_free(port: int) -> None:
    """Say at once what would otherwise come after the whole audit."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"Port {port} is taken ({error.strerror}): choose another, PORT=…") from error
