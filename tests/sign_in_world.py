"""A Telegram server with two people on it, an account that nobody has signed in yet, and a way to do so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_django import Settings

from groupadmin.sandbox.telegram.server import TelegramSandbox
from telegram_ops import signin
from telegram_ops.models import TelegramAccount
from tests.sandboxes import point_at
from tests.telegram_clients import EVES_PHONE, PASSWORD, PHONE, small_world

CODE = "12345"
ACTOR = "ivy"


@contextmanager
def telegram_server(settings: Settings, folder: Path) -> Iterator[TelegramSandbox]:
    """Somebody else's Telegram, with the settings pointing at it; nobody is signed in."""
    with TelegramSandbox(small_world()) as server:
        point_at(server, settings, folder, session="")
        yield server
        assert server.bugs == []


def new_account(label: str = "Main", phone: str = PHONE) -> TelegramAccount:
    return TelegramAccount.objects.create(label=label, phone=phone)


def sign_in(account: TelegramAccount, phone: str = PHONE) -> TelegramAccount:
    """All the steps, with the right answers."""
    signin.send_code(account_id=account.pk, phone=phone, actor=ACTOR)
    step = signin.enter_code(account_id=account.pk, code=CODE, actor=ACTOR)
    if phone == EVES_PHONE:
        step = signin.enter_password(account_id=account.pk, password=PASSWORD, actor=ACTOR)
    return step.account
