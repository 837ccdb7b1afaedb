"""Errors to Sentry, where SENTRY_DSN is set: what broke and where, never a secret or what people wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groupadmin.logging import redact

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint


def start_sentry(dsn: str, *, environment: str) -> None:
    """Send errors of this process from now on; does nothing without a `dsn`."""
    if not dsn:
        return
    import sentry_sdk  # only where it is used: it takes a while to load

    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        before_send=_redacted,
        send_default_pii=False,
        include_local_variables=False,  # they hold sessions, codes and messages
        max_request_body_size="never",
        max_breadcrumbs=0,  # queries and requests on the way there name people
        traces_sample_rate=0.0,
    )


def _redacted(event: Event, _hint: Hint) -> Event | None:
    masked: Event = redact(event)
    return masked
