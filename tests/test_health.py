"""Whether the product works, for machines: health, readiness, numbers, ids in the log, errors to Sentry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from gzip import decompress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from groupadmin import heartbeats
from groupadmin.models import Heartbeat
from telegram_ops.models import AccountState, TelegramAccount
from tests.processes import ROOT, environment, eventually

A_TOKEN = "-".join(("xoxp", "111111111111", "canary"))


def everybody_beats() -> None:
    heartbeats.beat(process="default@a", kind=Heartbeat.Kind.WORKER, queues=["default"])
    heartbeats.beat(process="telegram@a", kind=Heartbeat.Kind.WORKER, queues=["telegram"])
    heartbeats.beat(process="beat", kind=Heartbeat.Kind.BEAT)


@pytest.mark.django_db
def test_health_asks_nobody_else_and_minds_no_host_name(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz", headers={"host": "10.0.0.7:8000"})

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_ready_once_all_that_works_has_given_a_sign_of_life(client: Client) -> None:
    before = client.get("/readyz")
    everybody_beats()
    after = client.get("/readyz")

    assert (before.status_code, before.json()["ready"]) == (503, False)
    assert {name for name, check in before.json()["checks"].items() if not check["ok"]} == {
        "worker:default",
        "worker:telegram",
        "beat",
    }
    assert (after.status_code, after.json()["ready"]) == (200, True), after.json()


@pytest.mark.django_db
def test_a_process_that_fell_silent_is_missed(client: Client) -> None:
    everybody_beats()
    long_ago = timezone.now() - heartbeats.FRESH - timedelta(seconds=1)
    Heartbeat.objects.filter(process="telegram@a").update(beat_at=long_ago)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert [name for name, check in answer.json()["checks"].items() if not check["ok"]] == ["worker:telegram"]


@pytest.mark.services
@pytest.mark.django_db
def test_whoever_looks_with_a_wrong_clock_takes_nobody_for_silent(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody_beats()
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_an_account_in_trouble_is_told_and_keeps_the_admin_up_to_mend_it(client: Client) -> None:
    everybody_beats()
    TelegramAccount.objects.create(
        label="Example", phone="+15550000101", is_default=True, state=AccountState.IN_TROUBLE
    )

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["checks"]["telegram_account"] == {
        "ok": False,
        "vital": False,
        "detail": "in trouble",
    }


@pytest.mark.usefixtures("worker")
def test_a_worker_beats_by_itself() -> None:
    workers = Heartbeat.objects.filter(kind=Heartbeat.Kind.WORKER)
    eventually(workers.exists)

    assert sorted(workers.get().queues) == ["default", "telegram"]


@pytest.mark.django_db
def test_numbers_are_for_those_who_know_the_token(client: Client, settings: Settings) -> None:
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "for tests"
    assert client.get("/metrics", headers={"authorization": "Bearer a guess"}).status_code == 404

    answer = client.get("/metrics", headers={"authorization": "Bearer for tests"})

    assert answer.status_code == 200
    assert 'groupadmin_up{part="database"} 1.0' in answer.text
    assert "groupadmin_kicks_enabled 0.0" in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "taken"), [("proxy-0001", True), ("short", False), ("two\tlines of log", False)]
)
def test_a_request_has_an_id_and_keeps_that_of_a_proxy(client: Client, given: str, taken: bool) -> None:
    answer = client.get("/healthz", headers={"x-request-id": given})

    assert (answer["X-Request-ID"] == given) is taken
    assert len(answer["X-Request-ID"]) >= 8


FAILS = """
import sys
import sentry_sdk
from groupadmin.sentry import start_sentry

start_sentry(sys.argv[1], environment="tests")
session = sys.argv[2]
try:
    raise RuntimeError(f"Slack refused {session}")
except RuntimeError:
    sentry_sdk.capture_exception()
sentry_sdk.flush(10)
"""


@contextmanager
def receiver(bodies: list[bytes]) -> Iterator[str]:
    """A place that takes whatever is posted; its address in the form of a DSN."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://key@127.0.0.1:{server.server_port}/1"
    server.shutdown()
    server.server_close()


def test_an_error_reaches_sentry_without_its_secrets() -> None:
    bodies: list[bytes] = []
    with receiver(bodies) as dsn:
        command = [sys.executable, "-c", FAILS, dsn, A_TOKEN]
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, timeout=60)

    sent = b"\n".join(bodies).decode()
    assert "RuntimeError" in sent
    assert "Slack refused ***" in sent
    assert "canary" not in sent
