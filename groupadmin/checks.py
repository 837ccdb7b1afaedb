"""System checks of our own: a wrong setting is one line at start, not a puzzle later.

Run by every management command; those with `deploy=True` only by `manage.py check --deploy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _is_redis_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that make no sense
        return False


@register(Tags.security)
def check_environment(**_: Any) -> list[CheckMessage]:
    """Values that can be judged without asking a platform."""
    return list(_environment_errors())


def _environment_errors() -> Iterator[CheckMessage]:
    if not all(map(_is_fernet_key, settings.FIELD_ENCRYPTION_KEYS)):
        yield Error(
            "FIELD_ENCRYPTION_KEYS holds something that is not a key.",
            hint="The line above it in .env.example makes one.",
            id="groupadmin.E001",
        )
    if bool(settings.TELEGRAM_API_ID) != bool(settings.TELEGRAM_API_HASH):
        yield Error(
            "TELEGRAM_API_ID and TELEGRAM_API_HASH belong together; one is missing.",
            hint="https://my.telegram.org/apps shows both.",
            id="groupadmin.E002",
        )
    if settings.TELEGRAM_SERVER and not re.fullmatch(r"\d+:.+:\d+", settings.TELEGRAM_SERVER):
        yield Error(
            "TELEGRAM_SERVER is not of the form dc:host:port.",
            hint="Like 2:127.0.0.1:4430.",
            id="groupadmin.E003",
        )
    if settings.TELEGRAM_SERVER_KEY and not Path(settings.TELEGRAM_SERVER_KEY).is_file():
        yield Error(
            "TELEGRAM_SERVER_KEY names no file.",
            hint="The path of the server's public key (PEM).",
            id="groupadmin.E004",
        )
    if settings.REDIS_URL and not _is_redis_address(settings.REDIS_URL):
        yield Error(
            "REDIS_URL is no address of a Redis server.",
            hint="Like redis://host:6379/0.",
            id="groupadmin.E007",
        )
    if settings.STORAGE_BUCKET and find_spec("storages") is None:
        yield Error(
            "STORAGE_BUCKET is set, and what speaks to S3 is not installed.",
            hint='pip install "django-storages[s3]==1.14.6".',
            id="groupadmin.E008",
        )


@register(Tags.security, deploy=True)
def check_deployment(**_: Any) -> list[CheckMessage]:
    """What one machine may leave out and a deployment may not."""
    return list(_deployment_errors())


def _deployment_errors() -> Iterator[CheckMessage]:
    if settings.SECRET_KEY_GENERATED:
        yield Error(
            "SECRET_KEY is a generated one, kept in a file of this machine.",
            hint="Set SECRET_KEY: every process and machine needs the same.",
            id="groupadmin.E005",
        )
    if settings.FIELD_ENCRYPTION_KEYS_GENERATED:
        yield Error(
            "FIELD_ENCRYPTION_KEYS is a generated one, kept in a file of this machine.",
            hint="Set it as shown in .env.example, with the generated key last where something is stored.",
            id="groupadmin.E006",
        )
    engine = settings.DATABASES["default"]["ENGINE"]
    if not settings.EMBEDDED and engine == "django.db.backends.sqlite3":
        yield Warning(
            "REDIS_URL splits the work over processes, but the database is an SQLite file.",
            hint="Set DATABASE_URL to a PostgreSQL database.",
            id="groupadmin.W001",
        )
