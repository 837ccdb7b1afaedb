"""Secrets in the database: a text field that is encrypted at rest, and the change of its keys.

Fernet (https://github.com/fernet/spec) with the keys of FIELD_ENCRYPTION_KEYS, newest first: the first
encrypts, any of them decrypts. What none of them opens is an error; ciphertext never leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import FieldError
from django.db import connection, models, transaction


class WrongKey(Exception):
    """A stored secret that the keys at hand do not open, or no usable key at all: one line, what to do."""


class EncryptedTextField(models.TextField):
    """Text that the database holds encrypted and Python plain. Empty text stays empty.

    It is in no form, no `dumpdata` and no query: equal texts look different in the database. Loading a
    row that the keys do not open raises WrongKey.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"editable": False, "serialize": False})

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        value = super().get_db_prep_save(value, connection)
        return _fernet().encrypt(value.encode()).decode("ascii") if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if not value:
            return value
        try:
            return _fernet().decrypt(value).decode()
        except InvalidToken:
            raise WrongKey(
                f"FIELD_ENCRYPTION_KEYS lacks the key that encrypted {self.model._meta.verbose_name}: "
                "add that key behind the newest one, or sign out and in again."
            ) from None

    def get_lookup(self, lookup_name: str) -> Any:
        raise FieldError(f"{self.name} is encrypted: nothing can be looked up by it.")

    def value_to_string(self, obj: models.Model) -> NoReturn:
        raise FieldError(f"{self.name} is a secret: it is not exported.")


def encrypt_anew() -> int:
    """Encrypt every stored secret with the newest key; returns how many rows that were.

    Afterwards the older keys may go. Raises WrongKey, with everything as it was, when one of the
    secrets cannot be opened.
    """
    with transaction.atomic():
        return sum(_encrypt_rows(model, names) for model, names in _secrets())


def _encrypt_rows(model: type[models.Model], names: Sequence[str]) -> int:
    rows = list(model._default_manager.select_for_update().only(*names))
    for row in rows:
        row.save(update_fields=names)
    return len(rows)


def _secrets() -> Iterator[tuple[type[models.Model], list[str]]]:
    """Every model with encrypted fields, and their names."""
    for model in apps.get_models():
        fields = model._meta.concrete_fields
        if names := [field.name for field in fields if isinstance(field, EncryptedTextField)]:
            yield model, names


def _fernet() -> MultiFernet:
    """The keys at hand; asked for at each use, so that a changed setting counts at once."""
    try:
        return MultiFernet([Fernet(key) for key in settings.FIELD_ENCRYPTION_KEYS])
    except ValueError:
        raise WrongKey(
            "FIELD_ENCRYPTION_KEYS has no usable key: .env.example shows how to make one."
        ) from None


@register(Tags.database)
def check_secrets(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Whether every stored secret can be opened: part of `migrate` and of `check --database default`.

    A warning, since an error would keep a database from being migrated.
    """
    if not databases:
        return []
    tables = connection.introspection.table_names()
    try:
        for model, names in _secrets():
            if model._meta.db_table in tables:
                list(model._default_manager.only(*names))
    except WrongKey as error:
        return [Warning(str(error), id="members.W001")]
    return []
