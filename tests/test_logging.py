"""No secret reaches a log, whoever logs it and however it is wrapped."""

from __future__ import annotations

import io
import json
import logging
import logging.config

import pytest
import structlog
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from structlog.contextvars import bound_contextvars

from groupadmin.logging import MASK, logging_config, redact
from members.operations.loop import BackgroundLoop

SECRETS = {
    "a Slack user token": "xoxp-1234567890-abcdefghij",
    "a Slack app token": "xapp-1-A0123-456-abcdef",
    "a Telegram bot's token": "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
    "a Telethon session": "1" + "Ab-_" * 88,
    "an encrypted field": Fernet(Fernet.generate_key()).encrypt(b"hidden").decode(),
}


@pytest.fixture(params=[True, False], ids=["json", "terminal"])
def written(request: pytest.FixtureRequest) -> io.StringIO:
    """What the product's handler writes, in each of its two shapes."""
    stream = io.StringIO()
    config = logging_config(as_json=request.param, colors=False, celery_level="INFO")
    formatter = logging.config.DictConfigurator(config).configure_formatter(
        config["formatters"]["structured"]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("tests.logging")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return stream


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_masked_wherever_it_stands(written: io.StringIO, secret: str) -> None:
    log = structlog.stdlib.get_logger("tests.logging")

    log.info(f"Connecting with {secret}.", where={"headers": [f"Bearer {secret}"]}, raw=secret.encode())
    logging.getLogger("tests.logging").warning("Library says %s", secret)
    try:
        raise ValueError(f"bad {secret}")
    except ValueError:
        log.exception("it failed")

    assert secret not in written.getvalue()
    assert written.getvalue().count(MASK) == 5
    assert "ValueError" in written.getvalue()


@pytest.mark.parametrize(
    "name",
    ["token", "slack_user_token", "TELEGRAM_API_HASH", "session", "password", "Authorization", "Set-Cookie"],
)
def test_a_value_under_a_secret_name_is_masked_whatever_it_looks_like(
    written: io.StringIO, name: str
) -> None:
    structlog.stdlib.get_logger("tests.logging").info("signing in", **{name: "swordfish"})

    assert "swordfish" not in written.getvalue()
    assert MASK in written.getvalue()


def test_a_password_inside_an_address_is_masked() -> None:
    assert redact("redis://ada:swordfish@cache:6379/0 is down") == f"redis://{MASK}@cache:6379/0 is down"
    assert redact("redis://:swordfish@cache") == f"redis://{MASK}@cache"


@pytest.mark.parametrize(
    "text",
    ["C012AB3CD joined", "https://example.com/admin/?page=2", "2026-01-01T10:00:00Z", "10:15 in 3 groups"],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_json_lines_are_whole_and_keep_plain_values() -> None:
    event = redact(
        {"event": "audit.finished", "run": 7, "seconds": 1.5, "partial": False, "why": None, "token": None}
    )

    assert json.loads(json.dumps(event)) == event
    assert event == {
        "event": "audit.finished",
        "run": 7,
        "seconds": 1.5,
        "partial": False,
        "why": None,
        "token": None,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("host", "path", "status", "line"),
    [
        ("evil.example", "/admin/login/", 400, "Invalid HTTP_HOST header: 'evil.example'."),
        ("testserver", "/admin/audits/auditrun/start/", 403, "Forbidden (Permission denied)"),
    ],
)
def test_a_refused_request_is_one_line(client: Client, host: str, path: str, status: int, line: str) -> None:
    client.force_login(User.objects.create_user("noah", is_staff=True))
    stream = io.StringIO()
    config = logging_config(as_json=False, colors=False, celery_level="INFO")
    handler = logging.config.DictConfigurator(
        {**config, "handlers": {"stderr": {**config["handlers"]["stderr"], "stream": stream}}}
    )
    handler.configure()
    try:
        assert client.get(path, headers={"host": host}).status_code == status
    finally:
        logging.config.dictConfig(settings.LOGGING)

    assert line in stream.getvalue()
    assert "Traceback" not in stream.getvalue()


def test_whatever_is_said_beside_an_operation_carries_its_number(written: io.StringIO) -> None:
    """Libraries log in the thread that speaks to the platforms."""

    async def speak() -> None:
        logging.getLogger("tests.logging").info("retrying")

    with bound_contextvars(operation=4711), BackgroundLoop("beside") as loop:
        loop.submit(speak()).result()

    assert "4711" in written.getvalue()
