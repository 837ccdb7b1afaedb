"""No secret is told by anything that the product writes, shows, sends or hands out.

Every secret there is gets a value that stands nowhere else, and then everything is searched for them.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import signals
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, TestCase
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from pytest_django import Settings

from audits.evidence.period import Period
from audits.evidence.writing import Wish, write_pack
from audits.models import AuditRun
from groupadmin.api.tokens import make_token
from groupadmin.models import ApiToken, AuthenticatorApp
from telegram_ops.models import SignedInSession, SignIn, TelegramAccount
from tests.addresses import address, pages
from tests.databases import put_migrated_database
from tests.one_of_each import LONG_AGO, world
from tests.processes import environment, free_port, manage
from tests.rights import levels
from tests.test_health import receiver
from whitelist.models import Bot

CANARY = "cAnArY"
SENTRY_KEY = "theCanaryOfSentry"
SETTINGS = {
    "SECRET_KEY": f"{CANARY}-secret-key-of-fifty-characters-and-a-few-more!",
    "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "SLACK_USER_TOKEN": f"xoxp-{CANARY}-user",
    "SLACK_APP_TOKEN": f"xapp-{CANARY}-app",
    "TELEGRAM_API_ID": "12345",
    "TELEGRAM_API_HASH": f"{CANARY}-api-hash",
    "TELEGRAM_SESSION": f"1{CANARY}" * 50,
    "TELEGRAM_BOT_TOKEN": f"42:{CANARY}-bot-token",
    "TELEGRAM_SERVER": "2:127.0.0.1:9",
    "METRICS_TOKEN": f"{CANARY}-metrics",
    "EMAIL_URL": f"smtp://mail:{CANARY}-mail@127.0.0.1:9",
    "STORAGE_SECRET_ACCESS_KEY": f"{CANARY}-storage",
    "STORAGE_ACCESS_KEY_ID": f"{CANARY}-storage-id",
}
LEAKS = """
import logging, os
from django.conf import settings
from django.core.management import execute_from_command_line
from django.test import Client
import sentry_sdk, structlog
secrets = [os.environ[name] for name in os.environ["CANARIES"].split()]
secrets += [settings.EMAIL_HOST_PASSWORD, settings.FIELD_ENCRYPTION_KEYS[0]]
def fail(about, **locals):
    inside = str(about)
    raise RuntimeError(f"it broke over {about}")
for secret in secrets:
    structlog.get_logger("x").warning("said", what=[secret], **{secret: secret})
    logging.getLogger("x").error("a library said %s to %r", secret, {"a": secret})
    try:
        fail(secret)
    except RuntimeError:
        logging.getLogger("x").exception("it failed")
for words in (["check", "--deploy"], ["audit"]):
    try:
        execute_from_command_line(["manage.py", *words])
    except SystemExit as end:
        print(words, end.code)
from groupadmin import site
site.dashboard.load = lambda *_: fail(secrets)
from django.contrib.auth.models import User
client = Client(raise_request_exception=False)
client.force_login(User.objects.create_superuser("owner"))
answer = client.get("/admin/", headers={"host": "localhost", "authorization": f"Bearer {secrets[0]}"})
print(answer.status_code, answer.content.decode())
sentry_sdk.flush(10)
"""


def assert_silent(told: str, *others: str) -> None:
    """The canaries stand in it nowhere, nor do these."""
    for secret in (CANARY, *others):
        place = told.find(secret)
        assert place < 0, told[max(0, place - 200) : place + 80]


def test_no_process_tells_what_it_was_configured_with(tmp_path: Path) -> None:
    """Commands, logs with tracebacks, the page of an error, and what is sent to Sentry."""
    put_migrated_database(tmp_path / "db.sqlite3")
    key = SETTINGS["FIELD_ENCRYPTION_KEYS"]
    bodies: list[bytes] = []
    with receiver(bodies) as dsn:
        env = environment(
            **SETTINGS,
            DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}",
            VAR_DIR=str(tmp_path),
            SENTRY_DSN=dsn.replace("key@", f"{SENTRY_KEY}@"),
            SLACK_API_URL=f"http://127.0.0.1:{free_port()}/api/",
            CANARIES=" ".join(name for name in SETTINGS if "ID" not in name),
            ALLOWED_HOSTS="localhost",
            REQUIRE_SECOND_FACTOR="False",
        )
        done = manage("shell", "--verbosity=0", "--command", LEAKS, env=env)
    told = done.stdout + done.stderr
    sent = b"\n".join(bodies).decode()
    kept = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "it broke over" in told
    assert "Slack" in kept
    assert "it broke over" in sent
    assert "Something went wrong on our side" in told
    assert_silent(told + kept, key, SENTRY_KEY)
    assert_silent(sent, key)  # Sentry knows who sends


@pytest.fixture
def planted(settings: Settings, tmp_path: Path) -> None:
    """A secret in every place that has one."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.FIELD_ENCRYPTION_KEYS = [SETTINGS["FIELD_ENCRYPTION_KEYS"]]
    for name in (
        "SLACK_USER_TOKEN",
        "TELEGRAM_API_HASH",
        "TELEGRAM_BOT_TOKEN",
        "METRICS_TOKEN",
        "SECRET_KEY",
    ):
        setattr(settings, name, SETTINGS[name])
    world()
    account = TelegramAccount.objects.order_by("pk").first() or TelegramAccount.objects.create(label="Main")
    SignedInSession.objects.update_or_create(account=account, defaults={"session": f"1{CANARY}"})
    secrets = dict.fromkeys(("session", "phone_code_hash", "password_hint"), CANARY)
    other = TelegramAccount.objects.create(label="Second", phone="+15550100")
    SignIn.objects.create(
        account=other, **secrets, way="app", sent_at=LONG_AGO, resend_at=LONG_AGO, begun_by="ada"
    )
    Bot.objects.create(bot_id=42, session=CANARY)


@pytest.mark.django_db
def test_nothing_that_people_see_or_take_away_holds_one(
    planted: None, admin_client: Client, admin_user: User, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = AuthenticatorApp.objects.create(user=admin_user, name="app", secret=CANARY, confirmed=True)
    StaticDevice.objects.create(user=admin_user, name="codes").token_set.create(token=CANARY)
    secret = make_token(name="crm", expires_at=timezone.now() + timedelta(days=1), actor=admin_user)[1]
    sent: list[Any] = []
    with ToldToWorkers(sent):
        for url, content in everything(admin_client, tmp_path):
            assert "/media/" not in content, url
            assert_silent(content, secret, admin_user.password, ApiToken.objects.get().digest)
    for path in ("findings", "groups", "runs"):
        answer = admin_client.get(f"/api/v1/{path}/", headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == 200
        assert_silent(answer.content.decode(), secret)
    metrics = admin_client.get("/metrics", headers={"authorization": f"Bearer {SETTINGS['METRICS_TOKEN']}"})
    assert metrics.status_code == 200
    assert_silent(metrics.content.decode())
    told = capfd.readouterr()
    assert_silent(told.out + told.err, secret)
    assert sent
    assert_silent(json.dumps(sent, default=str), secret)
    assert app.pk


def everything(client: Client, folder: Path) -> Iterator[tuple[str, str]]:
    """What each page shows or hands out, and what each command writes."""
    there = pages()
    for name, (look, _) in levels().items():
        if look in ("–", "nobody"):
            continue
        url = address(name, there[name])
        yield url, text_of(client.get(url).getvalue())
        if name.endswith("_export"):
            form = client.get(url).context["form"]
            columns = [each for each, field in form.fields.items() if hasattr(field, "is_selectable_field")]
            chosen = dict.fromkeys(columns, "on") | {"format": "1", "resource": "0"}
            yield url, text_of(client.post(url, chosen).getvalue())
    with TestCase.captureOnCommitCallbacks(execute=True):
        client.post("/admin/audits/auditrun/start/", {"platforms": ["slack", "telegram"]})
    assert AuditRun.objects.count() > 1
    yield "/readyz", client.get("/readyz").content.decode()
    call_command("dumppolicy", str(folder / "policy.json"))
    yield "dumppolicy", (folder / "policy.json").read_text()
    out, rows = io.BytesIO(), io.StringIO()
    write_pack(Wish(Period(LONG_AGO.date(), timezone.now().date()), "ada", timezone.now()), out)
    yield "evidence", text_of(out.getvalue())
    # What it holds of passwords, recovery codes and tokens is a backup's: dumpdata is for whoever has those.
    call_command("dumpdata", exclude=["auth.user", "otp_static", "groupadmin.apitoken"], stdout=rows)
    yield "dumpdata", rows.getvalue()


def text_of(content: bytes) -> str:
    """With what a ZIP file or a workbook holds."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content.decode(errors="replace")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(text_of(archive.read(name)) for name in archive.namelist())


class ToldToWorkers:
    """Collects the arguments of every task that is sent inside."""

    def __init__(self, sent: list[Any]) -> None:
        self._sent = sent

    def __enter__(self) -> None:
        signals.before_task_publish.connect(self._note)

    def __exit__(self, *_: object) -> None:
        signals.before_task_publish.disconnect(self._note)

    def _note(self, body: Any = None, headers: Mapping[str, Any] | None = None, **_: Any) -> None:
        self._sent.append((body, dict(headers or {})))
