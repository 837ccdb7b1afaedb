"""Looking who is in the community after the bot may have missed something, beside its work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.db import connections

from members.platforms.errors import PlatformError
from whitelist.reading import read_community
from whitelist.seeding import reconcile

RETRY_SECONDS = 300.0

log = structlog.get_logger(__name__)


class _Stopped(Exception):
    """The bot ends: what was read so far is dropped."""


class CatchingUp:
    """Reads the members in a thread of its own when asked to; when that fails, again after a while."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._due: float | None = None
        self._thread: threading.Thread | None = None
        self._ended = False

    def ask(self) -> None:
        """Look who is there as soon as possible."""
        self._due = time.monotonic()

    def beat(self) -> None:
        """Begin, if it is time to. To be called every now and then."""
        if self._due is None or time.monotonic() < self._due:
            return
        if self._thread is None or not self._thread.is_alive():
            self._due = None
            self._thread = threading.Thread(target=self._look, name="bot-members", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End what is under way, and wait for that."""
        self._ended = True
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        try:
            burned = reconcile(read_community(show=self._go_on))
        except PlatformError as error:  # the account is in use, or away
            log.warning("community.not_read", error=str(error))
            self._due = time.monotonic() + RETRY_SECONDS
        except _Stopped:
            pass
        except Exception:
            log.exception("community.not_read")
            self._due = time.monotonic() + RETRY_SECONDS
        else:
            log.info("community.read", burned=burned)
        finally:
            connections.close_all()

    def _go_on(self, done: int, total: int | None) -> None:
        if self._ended or self._stopping():
            raise _Stopped
