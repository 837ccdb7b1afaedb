"""Signing in: the password, the code of an app, the recovery codes; guessing, and how long it lasts."""

from __future__ import annotations

import re
import time
from base64 import b32decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from axes.models import AccessAttempt
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from pytest_django import Settings

from groupadmin import second_factor
from groupadmin.lockout import client_address
from groupadmin.models import AuthenticatorApp
from groupadmin.roles import give_roles
from groupadmin.second_factor import RECOVERY_CODES, WRONG, CodeRefused, offer
from members.crypto import encrypt_anew
from members.operations.models import ActivityEvent

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
INDEX, LOGIN = "/admin/", "/admin/login/"
CODE, SET_UP, CODES = "/admin/second-factor/", "/admin/second-factor/set-up/", "/admin/second-factor/codes/"


@pytest.fixture(autouse=True)
def _required(settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = settings.AXES_ENABLED = True


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


def sign_in(client: Client, username: str = "ada", password: str = PASSWORD) -> str:
    """Give name and password; where that leads to in the end, or the page's text where it leads nowhere."""
    answer = client.post(LOGIN, {"username": username, "password": password, "next": INDEX}, follow=True)
    return answer.redirect_chain[-1][0] if answer.redirect_chain else answer.content.decode()


def code_of(secret: str, step: int | None = None) -> str:
    """What the app shows: now, or in that step of 30 seconds."""
    totp = TOTP(b32decode(secret.replace(" ", "")))
    totp.time = time.time() if step is None else 30 * step
    return f"{totp.token():06}"


def next_step() -> int:
    """The step after the one whose code was taken last."""
    return AuthenticatorApp.objects.get().last_step + 1


def trouble(answer: Any) -> str:
    """Why a code was not taken."""
    return str(answer.context["form"].errors["code"][0])


def set_up(client: Client) -> tuple[str, list[str]]:
    """Set up an app as a person does; its secret, and the recovery codes that are shown."""
    page = client.get(SET_UP)
    secret = page.context["secret"]
    done = client.post(SET_UP, {"offer": page.context["offer"], "code": code_of(secret)})
    return secret, done.context["codes"]


def events() -> list[tuple[str, str, str]]:
    return list(ActivityEvent.objects.values_list("actor", "action", "subject"))


# --- The code ---------------------------------------------------------------------------------


def test_the_first_sign_in_leads_to_setting_up_an_app(ada: User, client: Client) -> None:
    assert sign_in(client) == f"{SET_UP}?next=%2Fadmin%2F"

    page = client.get(SET_UP)
    drawn = page.content.decode()
    assert page.context["secret"] in drawn
    assert "<svg" in drawn and "style=" not in drawn
    assert not AuthenticatorApp.objects.exists(), "looking stores nothing"

    wrong = client.post(SET_UP, {"offer": page.context["offer"], "code": "000000"})
    assert trouble(wrong) == WRONG
    assert wrong.context["secret"] == page.context["secret"], "the app keeps the one that it has scanned"
    assert client.get(INDEX).status_code == 302

    _, codes = set_up(client)
    assert len(codes) == RECOVERY_CODES
    assert client.get(INDEX).status_code == 200
    assert {action for _, action, _ in events()} == {"second_factor.set_up", "second_factor.new_codes"}


def test_from_then_on_a_code_is_asked_for_and_taken_once(ada: User, client: Client) -> None:
    secret, _ = _someone_set_up(client)
    client.post(reverse("admin:logout"))

    assert sign_in(client) == f"{CODE}?next=%2Fadmin%2F"
    for address in (INDEX, "/admin/members/employee/", "/admin/password_change/", "/admin/auth/user/"):
        assert client.get(address)["Location"].startswith(CODE), address
    assert client.post(CODES)["Location"] == CODE, "a password alone makes no recovery codes"
    assert client.get(SET_UP)["Location"] == CODE, "nor does it replace the app"

    spent = code_of(secret, next_step() - 1)
    assert trouble(client.post(CODE, {"code": spent})) == WRONG, (
        "the code that the app was set up with is spent"
    )
    AuthenticatorApp.objects.update(throttling_failure_count=0)
    assert client.post(CODE, {"code": code_of(secret, next_step()), "next": "/admin/auth/user/"})[
        "Location"
    ] == ("/admin/auth/user/")
    assert client.get(INDEX).status_code == 200


def test_a_password_alone_replaces_no_app_that_was_set_up_a_moment_ago(ada: User) -> None:
    """Both have seen the page that offers a secret while there was no app."""
    (mine, _), (theirs, _) = offer(ada), offer(ada)
    app, codes = second_factor.set_up(user=ada, secret=mine, code=code_of(mine), may_replace=False)

    with pytest.raises(CodeRefused, match="tell an owner"):
        second_factor.set_up(user=ada, secret=theirs, code=code_of(theirs), may_replace=False)

    assert AuthenticatorApp.objects.get() == app
    assert StaticToken.objects.count() == len(codes)


def test_guessing_codes_takes_longer_each_time(ada: User, client: Client) -> None:
    secret, codes = _someone_set_up(client)
    sign_in(client)
    for _ in range(4):
        AuthenticatorApp.objects.update(throttling_failure_timestamp=None)
        client.post(CODE, {"code": "000000"})

    refused = client.post(CODE, {"code": code_of(secret, next_step())})
    assert trouble(refused).startswith("Too many wrong codes. Try again in")
    assert client.post(CODE, {"code": codes[0]})["Location"] == INDEX, (
        "recovery codes wait for themselves alone"
    )


def test_a_recovery_code_opens_once_and_is_stored_as_a_hash(ada: User, client: Client) -> None:
    _, codes = _someone_set_up(client)
    stored = set(StaticToken.objects.values_list("token", flat=True))
    assert not stored & {code.replace("-", "").upper() for code in codes}

    sign_in(client)
    typed = codes[3].replace("-", " ").upper()
    assert client.post(CODE, {"code": typed})["Location"] == INDEX
    assert ("ada", "second_factor.recovery_code", "ada") in events()
    client.post(reverse("admin:logout"))
    sign_in(client)
    assert trouble(client.post(CODE, {"code": codes[3]})) == WRONG


def test_the_secret_is_kept_encrypted_under_the_keys_that_can_be_changed(
    ada: User, client: Client, settings: Settings
) -> None:
    secret, codes = _someone_set_up(client)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM groupadmin_authenticatorapp")
        assert secret.replace(" ", "") not in cursor.fetchone()[0]

    old, new = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert encrypt_anew() == 1
    settings.FIELD_ENCRYPTION_KEYS = [old]
    sign_in(client)
    lost = client.post(CODE, {"code": code_of(secret, next_step())})
    assert "gone from FIELD_ENCRYPTION_KEYS" in trouble(lost)
    assert client.post(CODE, {"code": codes[0]})["Location"] == INDEX, "and nobody is locked out by that"


def _someone_set_up(client: Client) -> tuple[str, list[str]]:
    """Signs in, sets an app up, and signs out."""
    sign_in(client)
    made = set_up(client)
    client.post(reverse("admin:logout"))
    return made


# --- Resetting it -----------------------------------------------------------------------------


@pytest.fixture
def olga() -> Iterator[User]:
    """An owner."""
    give_roles()
    user = User.objects.create_user("olga", password=PASSWORD, is_staff=True)
    user.groups.set(Group.objects.filter(name="Owner"))
    yield user


def test_an_owner_resets_a_lost_one_and_open_sessions_feel_it_at_once(olga: User) -> None:
    bob = User.objects.create_user("bob", password=PASSWORD, is_staff=True)
    his, hers = Client(), Client()
    for client, name in ((his, "bob"), (hers, "olga")):
        sign_in(client, name)
        set_up(client)
    assert his.get(INDEX).status_code == 200
    reset = reverse("admin:auth_user_reset_second_factor", args=[bob.pk])

    assert "Reset the second factor of bob?" in hers.get(reset).content.decode()
    hers.post(reset)

    assert his.get(INDEX)["Location"].startswith(CODE)
    assert his.get(CODE)["Location"] == SET_UP
    assert events()[-1] == ("olga", "second_factor.reset", "bob")
    root = User.objects.create_superuser("root", password=PASSWORD)
    above = reverse("admin:auth_user_reset_second_factor", args=[root.pk])
    assert hers.post(above).status_code == 403, "nobody becomes who may do everything by resetting them"


def test_the_command_line_resets_it_too(
    ada: User, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    _someone_set_up(client)

    call_command("reset_second_factor", "ada")
    assert "sets up another" in capsys.readouterr().out
    assert not AuthenticatorApp.objects.exists() and not StaticToken.objects.exists()
    assert events()[-1][1:] == ("second_factor.reset", "ada")
    with pytest.raises(CommandError, match="Nobody signs in as 'eve'"):
        call_command("reset_second_factor", "eve")


# --- Guessing passwords -----------------------------------------------------------------------


def test_five_wrong_passwords_shut_the_door_for_that_name_from_that_address(
    ada: User, client: Client, settings: Settings
) -> None:
    for _ in range(5):
        answer = client.post(LOGIN, {"username": "ada", "password": "guess"})
    assert answer.status_code == 429
    said = answer.content.decode()
    assert re.search(r"Try again after <time datetime=", said)

    assert client.post(LOGIN, {"username": "ada", "password": PASSWORD}).status_code == 429
    elsewhere = client.post(LOGIN, {"username": "ada", "password": PASSWORD}, REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 302, "whoever guesses shuts out nobody else"

    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert client.post(LOGIN, {"username": "ada", "password": PASSWORD}).status_code == 302


def test_a_forwarded_address_counts_only_from_proxies_that_a_setting_names(settings: Settings) -> None:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "1.2.3.4, 192.0.2.9, 10.0.0.2"}

    def seen(trusted: int) -> str | None:
        settings.TRUSTED_PROXIES = trusted
        return client_address(request)

    assert [seen(0), seen(1), seen(2), seen(4)] == ["10.0.0.1", "10.0.0.2", "192.0.2.9", "10.0.0.1"]
    request.META = {"REMOTE_ADDR": ""}
    assert seen(1) is None


def test_whoever_has_many_addresses_has_no_more_guesses(settings: Settings) -> None:
    """Every connection has 2**64 addresses of IPv6."""
    settings.TRUSTED_PROXIES = 0
    request = HttpRequest()

    def seen(address: str) -> str | None:
        request.META = {"REMOTE_ADDR": address}
        return client_address(request)

    assert seen("2001:db8:1:2::7") == seen("2001:db8:1:2:ffff::9") == "2001:db8:1:2::"
    assert seen("2001:db8:1:3::7") != seen("2001:db8:1:2::7")
    assert seen("::ffff:192.0.2.9") == "192.0.2.9"
    assert seen("fe80::1%eth0") == "fe80::"


# --- How long a sign-in lasts -----------------------------------------------------------------


def test_a_sign_in_ends_when_it_is_old_or_nobody_uses_it(ada: User, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = False
    settings.SESSION_IDLE_MINUTES, settings.SESSION_HOURS = 30, 2
    client = Client()
    client.force_login(ada)
    began = time.time()

    def after(minutes: float, page: str = INDEX) -> int:
        with patch("groupadmin.middleware.time.time", return_value=began + 60 * minutes):
            return client.get(page).status_code

    assert [after(minutes) for minutes in (29, 58, 87, 116)] == [200] * 4, "every use counts"
    assert after(121) == 302, "but not for ever"
    client.force_login(ada)
    assert after(31) == 302
    told = client.get(LOGIN).content.decode()
    assert "nobody did anything for a while" in told


def test_a_new_password_ends_every_other_session(ada: User, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = False
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.force_login(ada)
    new = "a longer staple"

    here.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )

    assert [client.get(INDEX).status_code for client in (here, elsewhere)] == [200, 302]
    assert events() == [("ada", "user.password_set", "ada")]


def test_no_second_factor_where_none_is_asked_for(ada: User, client: Client, settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = False

    assert sign_in(client) == INDEX
    assert Permission.objects.filter(content_type__model="authenticatorapp").count() == 0
