"""Where settings come from: the process environment, then `.env`; and the one secret we make ourselves."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


class Environment(environ.Env):
    """django-environ with three habits of our own.

    An empty value means unset, so that `.env.example` can be copied and filled in line by line. A
    value that starts with "$" is that value, not a reference to another name (random secrets do
    start so). A value of the wrong type is one clear line that names the variable, not its content.
    """

    @classmethod
    def load(cls, env_file: Path) -> Self:
        """The process environment, completed from `env_file` where that exists."""
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


def kept_secret_key(path: Path) -> str:
    """The secret key in the file at `path`, made at random (and readable by its owner alone) the first time.

    Several processes may start at once: the first to finish its file wins and all use that one.

    Raises:
        ImproperlyConfigured: the file can be neither read nor written.
    """
    try:
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name) as draft:  # mode 0600
                draft.write(get_random_secret_key())
                draft.flush()
                with suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"Set SECRET_KEY: no key can be kept in {path} ({error.strerror})."
        ) from error
