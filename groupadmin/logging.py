"""How we log: structlog and the standard library through one chain that lets no secret out.

Readable lines on one machine, JSON (one object a line) in production.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
SECRET_NAMES = re.compile(
    r"token|secret|password|authorization|cookie|api_hash|session|encryption", re.IGNORECASE
)
SECRET_VALUES = re.compile(
    r"\bx(?:ox[a-z]|app)-[\w-]{6,}"  # Slack tokens
    r"|\b\d{5,}:[\w-]{30,}"  # Telegram bot tokens
    r"|\b1[\w-]{300,}=*"  # Telethon string sessions
    r"|\bgAAAA[\w-]{60,}=*"  # Fernet tokens
    r"|\bgadm_[\w-]{20,}"  # tokens of our own API
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password inside a URL
)
_SHORTEST_KNOWN = 10
"""Characters: a shorter secret might be a word that ordinary lines are made of."""
_known: list[re.Pattern[str]] = []
"""What `keep_secret` was told, as one pattern."""
QUIET_LIBRARIES = ("asyncio", "axes", "django_celery_beat", "kombu", "slack_sdk", "telethon")


def keep_secret(values: Iterable[str | None]) -> None:
    """Mask these as well from now on, wherever they stand: secrets that look like nothing special."""
    told = sorted(
        {value for value in values if value and len(value) >= _SHORTEST_KNOWN}, key=len, reverse=True
    )
    _known[:] = [re.compile("|".join(map(re.escape, told)))] if told else []


def redact(value: Any) -> Any:
    """`value` with everything that looks like a secret, or is called like one, masked."""
    match value:
        case str():
            for known in _known:
                value = known.sub(MASK, value)
            return SECRET_VALUES.sub(MASK, value)
        case bytes():
            return redact(value.decode(errors="replace"))
        case Mapping():
            return {
                redact(str(name)): MASK if item and SECRET_NAMES.search(str(name)) else redact(item)
                for name, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [redact(item) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            return redact(str(value))


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The structlog processor: runs last, when exceptions are already text."""
    redacted: EventDict = redact(event)
    return redacted


class RefusalsInOneLine(logging.Filter):
    """Drops the traceback of a refused request (a wrong host, a missing right): that is no bug of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        if 400 <= getattr(record, "status_code", 500) < 500:
            record.exc_info = None
        return True


def logging_config(*, as_json: bool, colors: bool, celery_level: str) -> dict[str, Any]:
    """Django's LOGGING; also configures structlog, whose events end in the same handler (standard error).

    The formatter "plain" is for files: readable lines without colours, whatever the handler shows.
    """
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

    def console(*, colors: bool) -> Processor:
        # Plain tracebacks: the richer ones print local variables, secrets included.
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)

    def formatter(renderer: Processor) -> dict[str, Any]:
        return {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": common,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_event,
                renderer,
            ],
        }

    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": formatter(
                structlog.processors.JSONRenderer() if as_json else console(colors=colors)
            ),
            "plain": formatter(console(colors=False)),
        },
        "filters": {"refusals": {"()": RefusalsInOneLine}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["refusals"],
            }
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            **{name: {"level": "WARNING"} for name in QUIET_LIBRARIES},
            "celery": {"level": celery_level},
            "celery.worker.control": {"level": "ERROR"},  # warns when the embedded worker is stopped
            "waitress.queue": {"level": "ERROR"},  # warns at every request that waits a moment
        },
    }
