"""Where settings come from: the process environment, then `.env`; and the secrets that we make ourselves."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

DATABASE_ENGINES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")


class Environment(environ.Env):
    """django-environ with three habits of our own.

    An empty value means unset, so that `.env.example` can be copied and filled in line by line. A
    value that starts with "$" is that value, not a reference to another name (random secrets do
    start so). What cannot be read is one clear line that names the variable, not its content.
    """

    BOOLEAN_FALSE_STRINGS = ("false", "off", "n", "no", "0")

    @classmethod
    def load(cls, env_file: Path) -> Self:
        """The process environment, completed from `env_file` where that exists.

        Raises:
            ImproperlyConfigured: the file cannot be read, or has a line that is no setting.
        """
        _check_lines(env_file)
        cls.read_env(env_file)
        env = cls()
        env.escape_proxy = True
        env.ENVIRON = {name: value.replace("$", r"\$") for name, value in os.environ.items() if value}
        return env

    def get_value(self, var: str, *args: Any, **options: Any) -> Any:
        try:
            return super().get_value(var, *args, **options)
        except ValueError as error:
            raise ImproperlyConfigured(f"The value of {var} cannot be read: see .env.example.") from error

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        """As the base class does, except that a yes or no has to be a known word: "maybe" is not "no"."""
        if cast is not bool:
            return super().parse_value(value, cast)
        word = str(value).strip().lower()
        if word not in (*cls.BOOLEAN_TRUE_STRINGS, *cls.BOOLEAN_FALSE_STRINGS):
            raise ValueError("neither yes nor no")
        return word in cls.BOOLEAN_TRUE_STRINGS

    def database(self, var: str, *, default: str) -> dict[str, Any]:
        """The address of a database that we work with, as Django's dictionary.

        Raises:
            ImproperlyConfigured: it is none.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # its way to say that a part makes no sense
                found: dict[str, Any] = self.db_url(var, default=default)
            known = found["ENGINE"] in DATABASE_ENGINES
        except (ValueError, KeyError, UserWarning):
            known = False
        if not known:
            raise ImproperlyConfigured(
                f"{var} is no database address: it looks like postgres://user@host/name, or sqlite:////path/file."
            )
        return found


def _check_lines(env_file: Path) -> None:
    """django-environ would log a line that it does not understand, secret and all, and go on."""
    try:
        lines = env_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{env_file} cannot be read: {error}.") from error
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not re.match(r"#|(export )?\w+=", line):
            raise ImproperlyConfigured(f"{env_file}, line {number}: it is not of the form NAME=value.")


def writable_folder(path: Path | str) -> Path:
    """The folder at `path`, absolute, made if it is missing.

    Raises:
        ImproperlyConfigured: it cannot be made, or not be written to.
    """
    folder = Path(path).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"Set VAR_DIR: {folder} cannot be made ({error.strerror}).") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"Set VAR_DIR: {folder} cannot be written to.")
    return folder


def kept_secret(name: str, path: Path, make: Callable[[], str]) -> str:
    """The secret in the file at `path`, made (and readable by its owner alone) the first time.

    Several processes may start at once: the first to finish its file wins and all use that one.

    Raises:
        ImproperlyConfigured: the file can be neither read nor written; `name` is the setting instead.
    """
    try:
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name) as draft:  # mode 0600
                draft.write(make())
                draft.flush()
                with suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(f"Set {name}: no key can be kept in {path} ({error.strerror}).") from error


def new_encryption_key() -> str:
    """A random key for FIELD_ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode("ascii")
