"""`manage.py check` names a wrong setting; `check --deploy` also what a deployment may not leave out."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.core.management.utils import get_random_secret_key
from django.db import connection
from pytest_django import Settings

from tests.processes import environment, manage

KEY = Fernet.generate_key().decode()


def ids(*, deploy: bool = False) -> set[str]:
    found = run_checks(include_deployment_checks=deploy)
    return {message.id for message in found if message.id and message.id.startswith("groupadmin.")}


def test_an_empty_environment_is_a_good_one() -> None:
    assert ids() == set()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"FIELD_ENCRYPTION_KEYS": [KEY, "short"]}, "groupadmin.E001"),
        ({"FIELD_ENCRYPTION_KEYS": ["ü" * 44]}, "groupadmin.E001"),
        ({"TELEGRAM_API_ID": 1}, "groupadmin.E002"),
        ({"TELEGRAM_API_HASH": "0123"}, "groupadmin.E002"),
        ({"TELEGRAM_SERVER": "127.0.0.1:443"}, "groupadmin.E003"),
        ({"TELEGRAM_SERVER_KEY": "/no/such/key.pem"}, "groupadmin.E004"),
        ({"REDIS_URL": "localhost:6379"}, "groupadmin.E007"),
        ({"REDIS_URL": "redis://localhost:port/0"}, "groupadmin.E007"),
    ],
)
def test_a_wrong_value_is_named(settings: Settings, values: dict[str, object], complaint: str) -> None:
    for name, value in values.items():
        setattr(settings, name, value)

    assert ids() == {complaint}


def test_right_values_pass(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    pem = tmp_path_factory.mktemp("keys") / "server.pem"
    pem.touch()
    settings.FIELD_ENCRYPTION_KEYS = [KEY]
    settings.TELEGRAM_API_ID, settings.TELEGRAM_API_HASH = 1, "0123"
    settings.TELEGRAM_SERVER, settings.TELEGRAM_SERVER_KEY = "2:127.0.0.1:4430", str(pem)

    assert ids() == set()


def test_a_deployment_needs_keys_of_its_own(settings: Settings) -> None:
    settings.SECRET_KEY_GENERATED = settings.FIELD_ENCRYPTION_KEYS_GENERATED = True
    assert {"groupadmin.E005", "groupadmin.E006"} <= ids(deploy=True)

    settings.SECRET_KEY_GENERATED = settings.FIELD_ENCRYPTION_KEYS_GENERATED = False
    assert not {"groupadmin.E005", "groupadmin.E006"} & ids(deploy=True)


def test_a_complete_deployment_leaves_nothing_to_complain_of(tmp_path: Path) -> None:
    env = environment(
        VAR_DIR=str(tmp_path),
        SECRET_KEY=get_random_secret_key(),
        FIELD_ENCRYPTION_KEYS=KEY,
        ALLOWED_HOSTS="groups.example.com",
        CSRF_TRUSTED_ORIGINS="https://groups.example.com",
        DATABASE_URL="postgres://groupadmin@database/groupadmin",
        REDIS_URL="redis://broker:6379/0",
    )

    checked = manage("check", "--deploy", "--fail-level", "WARNING", env=env)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_several_processes_on_one_sqlite_file_are_a_warning(settings: Settings) -> None:
    settings.EMBEDDED = True
    assert "groupadmin.W001" not in ids(deploy=True)

    settings.EMBEDDED = False
    assert ("groupadmin.W001" in ids(deploy=True)) is (connection.vendor == "sqlite")
