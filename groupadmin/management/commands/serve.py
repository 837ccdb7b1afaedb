"""Run Group Admin on this machine: one process without a broker, four with one."""

from __future__ import annotations

import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.urls import reverse
from waitress import create_server

from audits.events.threads import Listeners, wanted_listeners
from audits.evidence.tasks import wake_packs
from audits.history.tasks import wake_history
from audits.tasks import wake_audits
from groupadmin.body_limits import largest_body
from groupadmin.celery import app
from groupadmin.embedded import AlreadyRunning, Engine, only_instance
from groupadmin.processes import Group, Program, exit_on_signals
from members.management.base import ExitCode, PlainCommand, port_number
from whitelist import bot_stay
from whitelist.bot_stay import BotThread

WEB_THREADS = 8


class Command(PlainCommand):
    help = "Run web server, workers and schedules until Ctrl-C."
    requires_system_checks = "__all__"  # it shows the pages
    writes_json = False
    keeps_log = False  # what runs on logs to standard error

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", type=_existing_host, default="127.0.0.1", help="address to listen on (%(default)s)"
        )
        parser.add_argument("--port", type=port_number, default=8000, help="port to listen on (%(default)s)")

    def handle(self, *, host: str, port: int, **_: Any) -> None:
        with exit_on_signals():
            if settings.EMBEDDED:
                self._serve_embedded(host, port)
            else:
                self._serve_processes(host, port)

    def _serve_embedded(self, host: str, port: int) -> None:
        try:
            with only_instance(settings.VAR_DIR / "serve.lock"):
                self._serve_alone(host, port)
        except AlreadyRunning as error:
            raise CommandError(str(error)) from error

    def _serve_alone(self, host: str, port: int) -> None:
        from groupadmin.wsgi import application  # here: it loads every page

        try:
            server = create_server(
                application,
                host=host,
                port=port,
                threads=WEB_THREADS,
                ident=None,
                max_request_body_size=2 * largest_body(),  # up to there the page of the refusal is ours
                # Behind a TLS proxy Django has to see X-Forwarded-Proto, or it redirects to HTTPS for ever.
                clear_untrusted_proxy_headers=not (settings.HTTPS or settings.TRUSTED_PROXIES),
            )
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}:{port} ({error.strerror}): choose another --port or --host."
            ) from error
        with Engine(app) as engine, Listeners(), BotThread():
            wake_audits.delay()  # what a killed process left behind goes on now, not at the next schedule
            wake_history.delay()
            wake_packs.delay()
            self._greet(host, port)
            server.run()  # until a signal; then lets running requests finish
            server.close()
        if engine.left_working:
            self.stderr.write("A job was still running; it goes on at the next start.")
            sys.stdout.flush()
            os._exit(os.EX_OK)  # an ordinary exit would wait for the job's thread

    def _serve_processes(self, host: str, port: int) -> None:
        worker = "celery --app groupadmin worker"
        programs = (
            _module("web", f"gunicorn groupadmin.wsgi --bind={_address(host, port)} --workers=2 --threads=4"),
            _module("worker", f"{worker} --queues=default --concurrency=2 --hostname=default@%h"),
            # One at a time: two clients on one Telegram session would lose it.
            _module("telegram", f"{worker} --queues=telegram --concurrency=1 --hostname=telegram@%h"),
            _module("beat", "celery --app groupadmin beat"),
            *(_command(f"{platform}_events", "--stay") for platform in wanted_listeners()),
            *([_command("bot", "--stay")] if bot_stay.is_set_up() else []),
        )
        with Group(programs) as group:
            self._greet(host, port)
            raise CommandError(f"{group.wait()}; everything else was stopped.")

    def _greet(self, host: str, port: int) -> None:
        page = f"http://{_address(host, port)}{reverse('admin:index')}"
        self.stdout.write(f"Group Admin is on {page} (Ctrl-C stops it).")
        if not get_user_model().objects.exists():
            self.stdout.write("Nobody can sign in yet: run manage.py createsuperuser in another terminal.")
        self.stdout.flush()


def _existing_host(text: str) -> str:
    """An argument's type: a name or number that leads to an address. Raises CommandError."""
    try:
        socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"There is no address {text!r}: choose another --host.", returncode=ExitCode.USAGE
        ) from error
    return text


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _module(name: str, line: str) -> Program:
    return Program(name, [sys.executable, "-m", *line.split()])


def _command(name: str, *arguments: str) -> Program:
    return Program(name, [sys.executable, str(settings.BASE_DIR / "manage.py"), name, *arguments])
