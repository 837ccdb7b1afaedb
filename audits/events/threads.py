"""The listeners as threads of the single process: those that are configured start by themselves."""

from __future__ import annotations

import threading

import structlog
from django.conf import settings
from django.db import connections

from audits.events.listening import listen
from audits.events.state import is_configured
from members.platforms.types import Platform

AGAIN_SECONDS = 10.0
JOIN_SECONDS = 10.0

log = structlog.get_logger(__name__)


def wanted_listeners() -> list[Platform]:
    """The platforms to listen to: LIVE_EVENTS allows it, and the settings have what it takes."""
    if not settings.LIVE_EVENTS:
        return []
    return [platform for platform in Platform if is_configured(platform)]


class Listeners:
    """A context manager: inside, every wanted listener listens; what goes wrong is waited out."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(platform,), name=f"{platform}-listener", daemon=True)
            for platform in wanted_listeners()
        ]

    def __enter__(self) -> Listeners:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    def _run(self, platform: Platform) -> None:
        try:
            while not self._stop.is_set():
                try:
                    listen(platform, stopping=self._stop.is_set, stay=True)
                except Exception:
                    log.exception("listener.crashed", platform=platform)
                    self._stop.wait(AGAIN_SECONDS)
        finally:
            connections.close_all()
