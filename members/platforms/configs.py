"""What an adapter has to know to connect, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from members.platforms.errors import NotConfigured
from members.platforms.slack_errors import TOKEN_NAME


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """One token and the server it is for. Another `api_url` than Slack's is a sandbox or a gateway."""

    token: str = field(repr=False)
    api_url: str = "https://slack.com/api/"
    timeout: float = 15.0
    """Seconds for one HTTP request, connecting included."""
    token_name: str = TOKEN_NAME
    """How errors speak of the token."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One MTProto server: the number of its data centre, and where it listens."""

    dc: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """One signed-in account, and the server it lives on (None: Telegram's own)."""

    api_id: int
    api_hash: str = field(repr=False)
    session: str = field(repr=False)
    """A Telethon StringSession. It *is* the account: never log it, never pass it as a task argument."""
    server: ServerAddress | None = None
    server_key_pem: str | None = field(default=None, repr=False)
    """The server's public RSA key (PEM), when it is not one of Telegram's."""
    connect_timeout: float = 10.0
    """Seconds for connecting and greeting, all attempts together."""
    call_timeout: float = 20.0
    """Seconds for one request and its answer."""
    attempts: int = 4
    """How often one call is sent before an outage or a cut line is reported."""
    flood_waits: int = 6
    """How often one call waits for a limit to end, while no other of its method comes through."""


@dataclass(frozen=True, slots=True)
class AccessHashes:
    """Access hashes of one account, by bare id: what is kept from one connection to the next."""

    users: Mapping[int, int] = field(default_factory=dict)
    channels: Mapping[int, int] = field(default_factory=dict)


def parse_server(text: str) -> ServerAddress:
    """The address in `dc:host:port`, such as 2:127.0.0.1:443 or 2:[::1]:443. Raises NotConfigured."""
    dc, _, rest = text.strip().partition(":")
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if _is_number(dc) and host and _is_number(port) and 0 < int(port) < 65536:
        return ServerAddress(int(dc), host, int(port))
    raise NotConfigured(
        f"TELEGRAM_SERVER must look like 2:127.0.0.1:443 (data centre, host, port), not {text!r}",
        code="TELEGRAM_SERVER",
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
