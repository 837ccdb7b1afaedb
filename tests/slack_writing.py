"""What the tests of writing to Slack share: a workspace, a writer, and a Slack of few words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.slack.faults import Perform
from groupadmin.sandbox.slack.wire import Request, Response, json_response
from members.platforms.configs import SlackConfig
from members.platforms.outcomes import Outcome, Reply
from members.platforms.slack import Retry
from members.platforms.slack_writer import SlackWriter
from members.platforms.types import GroupKind, Platform, PlatformGroup, PlatformUser, Privacy

INVITE, JOIN, KICK = "conversations.invite", "conversations.join", "conversations.kick"
RENAME, POST = "conversations.rename", "chat.postMessage"
TOKEN = "xoxp-secret-of-ada"
SCOPES = frozenset(
    {
        *("users:read", "chat:write", "im:write"),
        *("channels:read", "channels:write", "groups:read", "groups:write"),
    }
)
QUICK = Retry(attempts=3, base_seconds=0.001, rate_limit_waits=3)
ADA, BOB, NEW, NEWER, NEWEST = "U0ADA", "U0BOB", "U0NEW1", "U0NEW2", "U0NEW3"
GONE, GUEST, TIED_GUEST, STRANGER = "U0GONE", "U0GUEST", "U0TIED", "U0ZED"
PRIVATE, PUBLIC, GENERAL, ARCHIVED, HIDDEN = "C0ACME", "C0LOUNGE", "C0GENERAL", "C0OLD", "C0SECRET"


def workspace() -> SlackWorld:
    """Ada is no admin. She and Bob share the private channel; the public one and the hidden one are Bob's."""
    world = SlackWorld(tokens={TOKEN: SlackToken(ADA, SCOPES)})
    for user in (
        *(SlackUser(user_id, user_id.lower(), "Some Example") for user_id in (ADA, BOB, NEW, NEWER, NEWEST)),
        SlackUser(GONE, "gone", "Gone Example", deleted=True),
        SlackUser(GUEST, "guest", "Guest Example", is_restricted=True),
        SlackUser(TIED_GUEST, "tied", "Tied Example", is_restricted=True, is_ultra_restricted=True),
        SlackUser(STRANGER, "zed", "Zed Example", team_id="T0PARTNER"),
    ):
        world.add_user(user)
    for channel in (
        SlackChannel(PRIVATE, "acme-bitsafe", ADA, dict.fromkeys((ADA, BOB)), is_private=True),
        SlackChannel(PUBLIC, "lounge", BOB, {BOB: None}),
        SlackChannel(GENERAL, "general", BOB, dict.fromkeys((ADA, BOB, TIED_GUEST)), is_general=True),
        SlackChannel(ARCHIVED, "old-times", ADA, dict.fromkeys((ADA, BOB)), is_archived=True),
        SlackChannel(HIDDEN, "secret", BOB, {BOB: None}, is_private=True),
    ):
        world.add_channel(channel)
    return world


@contextmanager
def fresh(server: SlackSandbox) -> Iterator[SlackSandbox]:
    """A running server with the `workspace` as new: nothing scripted, counted or written yet."""
    server.world = workspace()
    server.speed = None
    for memory in (server.script, server.calls, server.throttled, server.writes):
        memory.clear()
    yield server
    assert server.bugs == []


def clean(server: SlackSandbox) -> Iterator[SlackSandbox]:
    """The same for the fixture of a file."""
    with fresh(server) as sandbox:
        yield sandbox


def channel(channel_id: str = PRIVATE) -> PlatformGroup:
    privacy = Privacy.PRIVATE if channel_id in (PRIVATE, HIDDEN) else Privacy.PUBLIC
    return PlatformGroup(Platform.SLACK, channel_id, f"name-of-{channel_id}", GroupKind.CHANNEL, privacy)


def person(user_id: str = NEW) -> PlatformUser:
    return PlatformUser(Platform.SLACK, user_id)


def people(*user_ids: str) -> list[PlatformUser]:
    return [person(user_id) for user_id in user_ids]


def writer(api_url: str, **options: Any) -> SlackWriter:
    timeout = options.pop("timeout", 5.0)
    return SlackWriter(SlackConfig(TOKEN, api_url, timeout=timeout), **{"retry": QUICK} | options)


def outcomes(replies: Mapping[str, Reply]) -> dict[str, Outcome]:
    return {user_id: reply.outcome for user_id, reply in replies.items()}


def effects(sandbox: SlackSandbox) -> list[tuple[str, str, str]]:
    """Method, target and subject of everything that changed the workspace, in order."""
    return [(write.method, write.target, write.subject) for write in sandbox.writes.effects()]


class WithoutForce:
    """An effect: a Slack that never heard of `force`. All are invited or nobody.

    `tells` says whether the answer explains each refusal, or only the first one.
    """

    def __init__(self, *, tells: bool) -> None:
        self.tells = tells

    def respond(self, request: Request, perform: Perform) -> Response:
        plain = {name: value for name, value in request.arguments.items() if name != "force"}
        answer = perform(Request(request.method, plain, request.token))
        return answer if self.tells else without_details(answer)


class Silent:
    """An effect: people are invited as asked, and the answer tells the first refusal alone."""

    def respond(self, request: Request, perform: Perform) -> Response:
        return without_details(perform(request))


class Limited:
    """An effect: HTTP 429 with any Retry-After; a fraction of a second keeps the tests quick."""

    def __init__(self, retry_after: str) -> None:
        self.retry_after = retry_after

    def respond(self, request: Request, perform: Perform) -> Response:
        body = {"ok": False, "error": "ratelimited"}
        return json_response(body, status=429, headers={"Retry-After": self.retry_after})


def without_details(answer: Response) -> Response:
    """The first refusal as the answer's own, and nobody named."""
    body = json.loads(answer.content)
    errors = body.pop("errors", [])
    if errors:
        body = {"ok": False, "error": errors[0]["error"]}
    return json_response(body)


Handler = Callable[[dict[str, str]], Any]


class TinySlack:
    """Another server than the sandbox: answers as its `handlers` say, and remembers what arrived.

    A handler gets the form's fields and returns the body of the answer, or a finished response.
    """

    def __init__(self, **handlers: Handler) -> None:
        self.handlers = {name.replace("_", ".", 1): handler for name, handler in handlers.items()}
        self.arrived: list[tuple[str, dict[str, str]]] = []
        self.requests: list[web.Request] = []

    def counts(self) -> Counter[str]:
        return Counter(method for method, _ in self.arrived)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}/api/"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = {name: str(value) for name, value in (await request.post()).items()} | dict(request.query)
        self.arrived.append((method, fields))
        self.requests.append(request)
        answer = self.handlers[method](fields)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response({"ok": True} | answer)
