"""The page of an error, which a developer sees with DEBUG, shows no secret setting."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from django.views.debug import get_exception_reporter_filter
from pytest_django import Settings

SECRETS = {
    "TELEGRAM_SESSION": "1AbCdEf",
    "TELEGRAM_PHONE": "+15550100",
    "TELEGRAM_API_HASH": "abcdef",
    "TELEGRAM_BOT_TOKEN": "42:swordfish",
    "SLACK_USER_TOKEN": "xoxp-swordfish",
    "REDIS_URL": "redis://:swordfish@cache/0",
    "CELERY_BROKER_URL": "redis://:swordfish@cache/0",
    "FIELD_ENCRYPTION_KEYS": ["swordfish"],
    "SECRET_KEY": "swordfish",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_setting_is_hidden(settings: Settings, name: str) -> None:
    setattr(settings, name, SECRETS[name])
    report = get_exception_reporter_filter(RequestFactory().get("/")).get_safe_settings()

    assert set(report[name]) == {"*"}


def test_the_database_is_shown_without_its_password(settings: Settings) -> None:
    report = get_exception_reporter_filter(RequestFactory().get("/")).get_safe_settings()

    assert set(report["DATABASES"]["default"]["PASSWORD"]) == {"*"}
    assert report["DEBUG"] is False
