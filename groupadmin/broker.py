"""Redis as Celery's broker: kombu's transport, with an error that workers survive."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as NotConnected


class Channel(redis.Channel):
    """A channel whose connection is closed says so.

    When the broker goes away under a worker, Celery closes the connection twice, and acknowledges through it
    later what was under way. kombu then looks for the address of a connection that has none, and its
    AttributeError ends the worker; a lost connection is what everybody there expects (both are 5.7.0).
    """

    def _connparams(self, *args: Any, **options: Any) -> dict[str, Any]:
        if self.connection.client is None:
            raise NotConnected("The connection to the broker was closed.")
        found: dict[str, Any] = super()._connparams(*args, **options)  # type: ignore[misc]  # not in the stubs
        return found


class Transport(redis.Transport):
    """What `groupadmin.celery` has addresses of Redis lead to."""

    Channel = Channel
