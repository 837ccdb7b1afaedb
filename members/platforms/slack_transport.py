"""One Slack token's way to the Web API: retries, rate limits and cursors, all counted on a meter.

slack_sdk speaks the protocol. Its retry handlers stay off: their waits cannot be counted,
capped or shown to a person (docs.slack.dev/tools/python-slack-sdk/web#retryhandler).
`call` is for what may be repeated without harm, `write` for what may not.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.effort import Answers, Effort
from members.platforms.errors import UNREACHABLE, NotConfigured, PlatformError, Refused, TryLater
from members.platforms.slack_errors import (
    BAD_ANSWER,
    RATE_LIMITED,
    Outage,
    bad_answer,
    error_of_answer,
    one_line,
    rate_limited,
)
from members.platforms.slack_parse import parse_next_cursor
from members.platforms.writing import InDoubt

PAGE_SIZES = (999, 200, 100)
"""What to ask for with `limit`: the most that is allowed ("an integer under 1000"), for the fewest calls;
where that is refused what Slack advises, and then its default. Pages may be shorter."""

MOST_PAGES = 2000
"""A list of more pages is not a list but a loop: 2,000 short pages of 100 are 200,000 entries."""

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection alone; a server that is up accepts one at once."""

_WRONG_VERB = frozenset({405, 501})
"""The HTTP statuses by which a server refuses POST as such."""

_WRONG_LIMIT = frozenset({"invalid_limit", "limit_required", "invalid_arguments"})

T = TypeVar("T")

_jitter = random.SystemRandom().uniform

# Unless its logger's own level says otherwise, slack_sdk renders every answer, e-mail addresses and all.
_sdk_log = logging.getLogger(f"{__name__}.sdk")
_sdk_log.setLevel(logging.INFO)


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
        self.api_url = config.api_url
        self.scopes: frozenset[str] = frozenset()
        """What the token may do, as the last answer that told it says."""
        self._host = urlsplit(config.api_url).netloc.rpartition("@")[2]
        self._slots = asyncio.Semaphore(concurrency)
        self._gates: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open_at: dict[str, float] = {}
        self._page_sizes = list(PAGE_SIZES)
        self._by_get: set[str] = set()
        self._answers = Answers()
        self._client: AsyncWebClient | None = None
        self._writer: AsyncWebClient | None = None

    async def __aenter__(self) -> Self:
        self._client = self._new_client(aiohttp.TCPConnector())
        # A connection that lay idle may be closed on Slack's side, and a write that dies on it would
        # be in doubt for nothing: each one opens its own, and what cannot be opened was never sent.
        self._writer = self._new_client(aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        clients = (self._client, self._writer)
        self._client = self._writer = None
        for client in clients:
            if client is not None and client.session is not None:
                await client.session.close()

    async def call(self, method: str, **arguments: str | int) -> dict[str, Any]:
        """The answer of one method, all of it. Raises Refused, AccountTrouble, or TryLater at last."""
        return await self.keep_trying(method, partial(self._attempt, method, arguments))

    async def write(self, method: str, **arguments: str) -> dict[str, Any]:
        """The answer of a method that changes something; Slack's refusal (`ok: false`) is one too.

        Only what was certainly not done is sent again: a call that met a rate limit, or no server.
        Raises TryLater when it stays so, InDoubt when the call went out and no answer made sense, and
        AccountTrouble; Refused when something on the way refuses, and not Slack.
        """
        return await self.keep_trying(method, partial(self._attempt_write, method, arguments))

    async def keep_trying(self, method: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` returns, made again after rate limits and outages as `call` does."""
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
                    answer = await attempt()
                    self._answers.note(method)
                    return answer
            except InDoubt:
                raise
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
        cursor, restarted = "", False
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            limit = self._page_sizes[0]
            try:
                answer = await self.call(
                    method, limit=limit, **arguments, **({"cursor": cursor} if cursor else {})
                )
            except Refused as error:
                if error.code == "invalid_cursor" and cursor and not restarted:
                    cursor, restarted = "", True
                    seen.clear()
                elif error.code in _WRONG_LIMIT and limit > PAGE_SIZES[-1]:
                    self._page_sizes = [size for size in self._page_sizes if size < limit]
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

    def _new_client(self, connector: aiohttp.TCPConnector) -> AsyncWebClient:
        timeout = aiohttp.ClientTimeout(total=self._config.timeout, connect=CONNECT_TIMEOUT)
        client = AsyncWebClient(
            self._config.token,
            self._config.api_url,
            session=aiohttp.ClientSession(connector=connector, timeout=timeout, response_class=_Answer),
            retry_handlers=[],
            logger=_sdk_log,
        )
        client.proxy = proxy_for(self._config.api_url)
        return client

    async def _attempt(self, method: str, arguments: Mapping[str, str | int]) -> dict[str, Any]:
        """One reading request: its answer, or the error that it amounts to.

        A POST form, which every method takes (docs.slack.dev/apis/web-api); GET where a server refuses it.
        """
        fields = dict(arguments)
        try:
            if method not in self._by_get:
                try:
                    return await self._request(self._client, method, http_verb="POST", data=fields)
                except SlackApiError as error:
                    if _status(error.response) not in _WRONG_VERB:
                        raise
                self._by_get.add(method)
            return await self._request(self._client, method, http_verb="GET", params=fields)
        except SlackApiError as error:
            raise self._error_of(method, error.response) from None

    async def _attempt_write(self, method: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """One writing request: its answer or Slack's refusal, or the error that it amounts to."""
        failure: PlatformError
        try:
            answer = await self._request(self._writer, method, http_verb="POST", data=dict(arguments))
            if answer.get("ok") is True:
                return answer
            failure = bad_answer(method, host=self._host)
        except SlackApiError as error:
            failure = self._error_of(method, error.response)
            answer = _body(error.response)
            if isinstance(failure, Refused) and one_line(answer.get("error")):
                return answer
        except Outage as outage:
            failure = outage
        if isinstance(failure, Outage) and not failure.unsent:
            raise failure.in_doubt() from None
        raise failure from None

    async def _request(self, client: AsyncWebClient | None, method: str, **request: Any) -> dict[str, Any]:
        """One HTTP request: its answer, Outage, or slack_sdk's error for an answer that is not `ok`.

        No error of ours carries its cause along: an aiohttp error holds the request's headers, token
        included.
        """
        if client is None:
            raise RuntimeError("SlackTransport is used outside its 'async with' block")
        self._meter.count(method)
        try:
            with self.outages(method):
                response = await client.api_call(method, **request)
        except (AttributeError, ValueError, RecursionError):
            # slack_sdk 3.47 stumbles like this over text, and over JSON that is no object.
            raise bad_answer(method, host=self._host) from None
        if (scopes := response.headers.get("X-OAuth-Scopes")) is not None:
            self.scopes = frozenset(filter(None, map(str.strip, scopes.split(","))))
        if not isinstance(response.data, dict):
            raise bad_answer(method, host=self._host)
        return response.data

    @contextmanager
    def outages(self, method: str) -> Iterator[None]:
        """Whatever goes wrong on the way inside becomes an Outage of `method`."""
        try:
            yield
        except TimeoutError as error:
            connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
            seconds = CONNECT_TIMEOUT if connecting else self._config.timeout
            what = f"did not answer within {seconds:g} seconds"
            raise self._outage(method, what, UNREACHABLE, unsent=connecting) from None
        except aiohttp.ClientPayloadError:
            raise self._outage(method, "broke off in the middle of an answer", BAD_ANSWER) from None
        except (aiohttp.ClientError, OSError) as error:
            unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError)
            what = "cannot be reached" if unsent else "broke the connection off"
            why = one_line(str(error)) or type(error).__name__
            raise self._outage(method, f"{what} ({why})", UNREACHABLE, unsent=unsent) from None

    async def get(self, url: str, method: str) -> aiohttp.ClientResponse:
        """The answer to a GET outside of the Web API, counted as `method`; the caller reads and closes it.

        The token goes along, so the caller has to know whose address it is. Redirects are not followed.
        """
        if self._client is None or self._client.session is None:
            raise RuntimeError("SlackTransport is used outside its 'async with' block")
        self._meter.count(method)
        with self.outages(method):
            return await self._client.session.get(
                url,
                headers={"Authorization": f"Bearer {self._config.token}"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT, sock_read=self._config.timeout),
                proxy=proxy_for(url),
            )

    async def send_bytes(self, url: str, method: str, content: bytes) -> int:
        """POST `content` to an address that Slack gave for it, counted as `method`; the HTTP status.

        Without the token: such an address is its own permission.
        """
        if self._client is None or self._client.session is None:
            raise RuntimeError("SlackTransport is used outside its 'async with' block")
        self._meter.count(method)
        with self.outages(method):
            async with self._client.session.post(
                url,
                data=content,
                headers={"Content-Type": "application/octet-stream"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT, sock_read=self._config.timeout),
                proxy=proxy_for(url),
            ) as answer:
                return answer.status

    def _outage(self, method: str, what: str, code: str, *, unsent: bool = False) -> Outage:
        return Outage(method, host=self._host, what=what, code=code, unsent=unsent)

    def _error_of(self, method: str, response: Any) -> PlatformError:
        return error_of_answer(
            method,
            host=self._host,
            status=_status(response),
            retry_after_header=response.headers.get("Retry-After"),
            answer=_body(response),
            token_name=self._config.token_name,
        )


class _Answer(aiohttp.ClientResponse):
    """An answer of the Web API: JSON in UTF-8, however a server labels it. slack_sdk believes the label."""

    @property
    def content_type(self) -> str:
        return "application/json"

    async def json(self, **_: Any) -> Any:
        return await super().json(content_type=None, encoding="utf-8")


def _status(response: Any) -> int:
    """slack_sdk hands over its own response, or aiohttp's when the body was no JSON."""
    status: int = response.status if isinstance(response, aiohttp.ClientResponse) else response.status_code
    return status


def _body(response: Any) -> dict[str, Any]:
    body = None if isinstance(response, aiohttp.ClientResponse) else response.data
    return body if isinstance(body, dict) else {}


def _check(config: SlackConfig) -> None:
    if not config.token.strip():
        raise NotConfigured(
            f"Slack is not configured: set {config.token_name} to a user token (xoxp-…)", code="no_token"
        )
    if not (config.token.isascii() and config.token.strip().isprintable()):
        raise NotConfigured(
            f"{config.token_name} holds characters that no token has: copy it again", code="bad_token"
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


def proxy_for(url: str) -> str | None:
    """The environment's proxy for `url`. slack_sdk's own choice ignores NO_PROXY, and even loopback."""
    address = urlsplit(url)
    host = address.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return None
    return getproxies().get(address.scheme)
