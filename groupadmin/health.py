"""Whether the product works, for load balancers and monitors: /healthz and /readyz."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from celery.exceptions import CeleryError
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import KombuError

from groupadmin.celery import app
from groupadmin.heartbeats import alive
from groupadmin.models import Heartbeat
from members.models import SlackWorkspace
from telegram_ops.models import AccountState, TelegramAccount

BROKER_SECONDS = 2
BROKER_PATIENCE = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. One that is not `vital` is told and makes nobody unready."""

    name: str
    ok: bool
    detail: str
    vital: bool = True


def readiness() -> list[Check]:
    """Everything the work needs, the most basic first; without a database that is all there is to say."""
    database = check_database()
    if not database.ok:
        return [database, check_broker()]
    return [database, check_broker(), *check_workers(), check_beat(), check_account(), *check_further()]


def check_database() -> Check:
    """It answers, and has the tables that this version of the program expects."""
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return Check("database", ok=False, detail="no answer")
    return Check("database", ok=not missing, detail=f"{missing} migrations to run" if missing else "answers")


def check_broker() -> Check:
    """It takes connections; the embedded one lies in this process."""
    if settings.EMBEDDED:
        return Check("broker", ok=True, detail="in this process")
    try:
        with app.connection_for_read(transport_options=BROKER_PATIENCE) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
    except (OSError, KombuError, CeleryError):
        return Check("broker", ok=False, detail="no answer")
    return Check("broker", ok=True, detail="answers")


def check_workers() -> list[Check]:
    """For each queue, whether somebody alive serves it."""
    workers = alive(Heartbeat.Kind.WORKER)
    serving = {
        queue.name: sum(queue.name in worker.queues for worker in workers)
        for queue in settings.CELERY_TASK_QUEUES
    }
    return [
        Check(f"worker:{queue}", ok=count > 0, detail=f"{count} alive") for queue, count in serving.items()
    ]


def check_beat() -> Check:
    """Whether somebody looks at the schedules."""
    found = alive(Heartbeat.Kind.BEAT)
    return Check("beat", ok=bool(found), detail="alive" if found else "silent")


def check_account() -> Check:
    """The Telegram account in use. To mend it a person needs the admin: it makes nobody unready."""
    account = TelegramAccount.objects.filter(is_default=True).first()
    if account is None:
        return Check("telegram_account", ok=True, detail="none is kept here", vital=False)
    signed_in = account.state == AccountState.SIGNED_IN
    return Check("telegram_account", ok=signed_in, detail=account.get_state_display().lower(), vital=False)


def check_further() -> list[Check]:
    """The Slack workspaces and Telegram accounts that are audited too; nothing where there are none."""
    accounts = TelegramAccount.objects.filter(audited_too=True, is_default=False)
    works = {
        "slack_workspaces": [not each.problem for each in SlackWorkspace.objects.filter(in_use=True)],
        "telegram_accounts": [each.state == AccountState.SIGNED_IN for each in accounts],
    }
    return [
        Check(name, ok=all(each), detail=f"{sum(each)} of {len(each)} work", vital=False)
        for name, each in works.items()
        if each
    ]


def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked, so that no outage elsewhere restarts it."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when all that is vital works, else 503; the body tells which part does not."""
    checks = readiness()
    ready = all(check.ok for check in checks if check.vital)
    body = {
        "ready": ready,
        "checks": {
            check.name: {"ok": check.ok, "vital": check.vital, "detail": check.detail} for check in checks
        },
    }
    return JsonResponse(body, status=200 if ready else 503)


PAGES: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz}


def health_pages(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that answers before all others.

    Whoever probes speaks plain HTTP to an address of a container: no host name that we would know, no
    HTTPS to be led to, no session.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        page = PAGES.get(request.path)
        if page is None or request.method not in ("GET", "HEAD"):
            return get_response(request)
        response = page(request)
        response["Cache-Control"] = "no-store"
        return response

    return answer
