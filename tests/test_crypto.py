"""Secrets at rest: encrypted in the database, loud with the wrong key, and the change of keys."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from members.crypto import WrongKey, encrypt_anew
from telegram_ops.models import SignedInSession, TelegramAccount

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = "1invented-session"


@pytest.fixture(autouse=True)
def stored(settings: Settings) -> SignedInSession:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    account = TelegramAccount.objects.create(label="Main", phone="+15550000101")
    return SignedInSession.objects.create(account=account, session=SECRET)


def in_the_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session FROM telegram_ops_signedinsession")
        return str(cursor.fetchone()[0])


def loaded() -> str:
    return SignedInSession.objects.get().session


def test_the_database_holds_it_encrypted_and_python_plain() -> None:
    assert SECRET not in in_the_database()
    assert loaded() == SECRET
    SignedInSession.objects.update(session="another")
    assert "another" not in in_the_database()
    assert loaded() == "another"


def test_the_wrong_key_is_an_error_that_says_what_to_do(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(WrongKey) as caught:
        loaded()
    assert str(caught.value) == (
        "FIELD_ENCRYPTION_KEYS lacks the key that encrypted the stored sign-in: "
        "add that key behind the newest one, or sign out and in again."
    )
    assert caught.value.__cause__ is None

    warned = [message.id for message in run_checks(databases=["default"])]
    assert "members.W001" in warned


def test_no_usable_key_is_an_error_as_well(settings: Settings, stored: SignedInSession) -> None:
    settings.FIELD_ENCRYPTION_KEYS = []
    with pytest.raises(WrongKey, match="FIELD_ENCRYPTION_KEYS has no usable key"):
        stored.save()


def test_it_is_in_no_export_no_query_and_no_name(stored: SignedInSession) -> None:
    dumped = StringIO()
    call_command("dumpdata", "telegram_ops", stdout=dumped)
    rows = [row for row in json.loads(dumped.getvalue()) if row["model"] == "telegram_ops.signedinsession"]
    assert [row["fields"] for row in rows] == [{}]
    assert SECRET not in f"{stored!r} {stored}"
    with pytest.raises(FieldError, match="encrypted"):
        SignedInSession.objects.filter(session=SECRET)


def test_after_a_change_of_keys_the_old_one_may_go(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    before = in_the_database()
    assert loaded() == SECRET

    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert out.getvalue().startswith("1 stored secret encrypted with the newest key.")
    assert in_the_database() != before
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert loaded() == SECRET


def test_a_change_of_keys_without_the_old_one_changes_nothing(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    before = in_the_database()
    with pytest.raises(WrongKey):
        encrypt_anew()
    assert in_the_database() == before
