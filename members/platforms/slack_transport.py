"""One Slack token's way to the Web API: retries, rate limits and cursors, all counted on a meter.

slack_sdk speaks the protocol. Its retry handlers stay off: their waits cannot be counted,
capped or shown to a person (docs.slack.dev/tools/python-slack-sdk/web#retryhandler).
Only for calls that may be repeated without harm: a failed call is sent again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from members.platforms.base import CallMeter
from members.platforms.effort import Answers, Effort
from members.platforms.errors import UNREACHABLE, NotConfigured, PlatformError, Refused, TryLater
from members.platforms.slack_errors import (
    BAD_ANSWER,
    RATE_LIMITED,
    error_of_answer,
    one_line,
    outage,
    rate_limited,
)
from members.platforms.slack_parse import parse_next_cursor

LARGEST_PAGE = 999
"""The most that `limit` may be ("an integer under 1000"): the fewest calls. Pages may be shorter."""

RECOMMENDED_PAGE = 200
"""What Slack advises, for a server that refuses the largest page."""

MOST_PAGES = 2000
"""A list of more pages is not a list but a loop: 2,000 short pages of 100 are 200,000 entries."""

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection alone; a server that is up accepts one at once."""

_jitter = random.SystemRandom().uniform

# Unless its logger's own level says otherwise, slack_sdk renders every answer, e-mail addresses and all.
_sdk_log = logging.getLogger(f"{__name__}.sdk")
_sdk_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """One token and the server it is for. Another `api_url` than Slack's is a sandbox or a gateway."""

    token: str = field(repr=False)
    api_url: str = "https://slack.com/api/"
    timeout: float = 20.0
    """Seconds for one HTTP request, connecting included."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a call is kept up. Outages are retried with doubling, jittered pauses (in seconds)."""

    attempts: int = 4
    give_up_seconds: float = 30.0
    """After so long in failed attempts there is no other: a silent server fails slowly."""
    base_seconds: float = 0.5
    max_seconds: float = 8.0
    rate_limit_waits: int = 12
    """How often one call waits for a Retry-After, while no other of its method comes through."""

    def pause(self, failures: int) -> float:
        longest = min(self.max_seconds, self.base_seconds * 2**failures)
        return _jitter(longest / 2, longest)


class SlackTransport:
    """Calls Web API methods. An async context manager: it keeps one HTTP session open.

    At most `concurrency` requests are under way at a time. A rate limit rests every call of
    the limited method, and no other: Slack counts per method (…/apis/web-api/rate-limits).
    """

    def __init__(
        self, config: SlackConfig, *, meter: CallMeter, concurrency: int = 8, retry: Retry | None = None
    ) -> None:
        _check(config)
        self._config = config
        self._meter = meter
        self._retry = retry or Retry()
        self._host = urlsplit(config.api_url).netloc.rpartition("@")[2]
        self._slots = asyncio.Semaphore(concurrency)
        self._gates: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open_at: dict[str, float] = {}
        self._answers = Answers()
        self._client: AsyncWebClient | None = None

    async def __aenter__(self) -> Self:
        self._client = AsyncWebClient(
            self._config.token,
            self._config.api_url,
            session=aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._config.timeout, sock_connect=CONNECT_TIMEOUT)
            ),
            retry_handlers=[],
            logger=_sdk_log,
        )
        self._client.proxy = _proxy_for(self._config.api_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None and client.session is not None:
            await client.session.close()

    async def call(self, method: str, **arguments: str | int) -> dict[str, Any]:
        """The answer of one method, all of it. Raises Refused, AccountTrouble, or TryLater at last."""
        retry = self._retry
        effort = Effort(
            method,
            self._answers,
            attempts=retry.attempts,
            limits=retry.rate_limit_waits,
            seconds=retry.give_up_seconds,
        )
        while True:
            await self._pass_gate(method)
            try:
                async with self._slots:
                    if self._rest(method) > 0:
                        continue  # limited while this call queued for its slot
                    effort.begin()
                    answer = await self._attempt(method, arguments)
                    self._answers.note(method)
                    return answer
            except TryLater as error:
                if error.code == RATE_LIMITED:
                    self._close_gate(method, error.seconds)
                    effort.limited(error)
                else:
                    effort.failed(error)
                    await self._meter.wait(method, retry.pause(effort.failures), error)

    async def pages(self, method: str, **arguments: str | int) -> AsyncGenerator[dict[str, Any], None]:
        """Every page of a cursored method, the largest pages that the server grants.

        A page may be short, or empty, and still not be the last (python-slack-sdk #1043, #1494).
        A cursor that expires on the way (`invalid_cursor`) restarts the walk, once: entries may
        come twice. A cursor that comes twice, or too many pages, raises Refused "cursor_loop".
        """
        limit, cursor, restarted = LARGEST_PAGE, "", False
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            try:
                answer = await self.call(
                    method, limit=limit, **arguments, **({"cursor": cursor} if cursor else {})
                )
            except Refused as error:
                if error.code == "invalid_cursor" and cursor and not restarted:
                    cursor, restarted = "", True
                    seen.clear()
                elif error.code in ("invalid_limit", "limit_required") and limit > RECOMMENDED_PAGE:
                    limit = RECOMMENDED_PAGE
                else:
                    raise
                continue
            yield answer
            cursor = parse_next_cursor(answer)
            if not cursor:
                return
            if cursor in seen:
                break
            seen.add(cursor)
        raise Refused(
            f"{self._host} pages in a circle ({method}): the list could not be read to its end",
            code="cursor_loop",
        )

    async def _pass_gate(self, method: str) -> None:
        """Wait until `method` may be called. One call sleeps for all, so that a wait counts once."""
        async with self._gates[method]:
            if (seconds := self._rest(method)) > 0:
                await self._meter.wait(method, seconds, rate_limited(method, seconds))

    def _rest(self, method: str) -> float:
        """The seconds until `method` may be called again; not above 0 when it may."""
        return self._open_at.get(method, 0.0) - asyncio.get_running_loop().time()

    def _close_gate(self, method: str, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        self._open_at[method] = max(until, self._open_at.get(method, 0.0))

    async def _attempt(self, method: str, arguments: Mapping[str, str | int]) -> dict[str, Any]:
        """One HTTP request: its answer, or the error that it amounts to.

        No error carries its cause along: an aiohttp error holds the request's headers, token included.
        """
        if self._client is None:
            raise RuntimeError("SlackTransport is used outside its 'async with' block")
        self._meter.count(method)
        try:
            # Slack documents auth.test as POST and the reading methods as GET.
            verb = "POST" if method == "auth.test" else "GET"
            response = await self._client.api_call(method, http_verb=verb, params=dict(arguments))
        except SlackApiError as error:
            raise self._error_of(method, error.response) from None
        except TimeoutError as error:
            connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
            seconds = CONNECT_TIMEOUT if connecting else self._config.timeout
            what = f"did not answer within {seconds:g} seconds"
            raise outage(method, host=self._host, what=what, code=UNREACHABLE) from None
        except aiohttp.ClientPayloadError:
            what = "broke off in the middle of an answer"
            raise outage(method, host=self._host, what=what, code=BAD_ANSWER) from None
        except (aiohttp.ClientError, OSError) as error:
            what = f"cannot be reached ({one_line(str(error)) or type(error).__name__})"
            raise outage(method, host=self._host, what=what, code=UNREACHABLE) from None
        except (AttributeError, ValueError, RecursionError):
            # slack_sdk 3.47 stumbles like this over text, and over JSON that is no object.
            raise self._bad_answer(method) from None
        if not isinstance(response.data, dict):
            raise self._bad_answer(method)
        return response.data

    def _bad_answer(self, method: str) -> TryLater:
        return outage(method, host=self._host, what="sent an answer that is not Slack's", code=BAD_ANSWER)

    def _error_of(self, method: str, response: Any) -> PlatformError:
        """slack_sdk hands over its own response, or aiohttp's when the body was no JSON."""
        decoded = not isinstance(response, aiohttp.ClientResponse)
        body = response.data if decoded else None
        return error_of_answer(
            method,
            host=self._host,
            status=response.status_code if decoded else response.status,
            retry_after_header=response.headers.get("Retry-After"),
            answer=body if isinstance(body, dict) else {},
        )


def _check(config: SlackConfig) -> None:
    if not config.token.strip():
        raise NotConfigured(
            "Slack is not configured: set SLACK_USER_TOKEN to a user token (xoxp-…)", code="no_token"
        )
    if not (config.token.isascii() and config.token.strip().isprintable()):
        raise NotConfigured(
            "SLACK_USER_TOKEN holds characters that no token has: copy it again", code="bad_token"
        )
    if not _is_web_address(config.api_url):
        raise NotConfigured(
            "SLACK_API_URL is no web address: it looks like https://slack.com/api/", code="bad_api_url"
        )


def _is_web_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        return False


def _proxy_for(url: str) -> str | None:
    """The environment's proxy for `url`. slack_sdk's own choice ignores NO_PROXY, and even loopback."""
    address = urlsplit(url)
    host = address.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return None
    return getproxies().get(address.scheme)
