"""From a request to its handler: who may ask, what is counted, what a script changes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.authorizations import Authorization
from groupadmin.sandbox.telegram.build.view import View
from groupadmin.sandbox.telegram.effects import Delay, Drop, Effect, Hold, Rewrite, RpcFault
from groupadmin.sandbox.telegram.errors import Hangup, RpcError
from groupadmin.sandbox.telegram.peers import Peers
from groupadmin.sandbox.telegram.updates import Origin
from groupadmin.sandbox.telegram.wire import tl
from groupadmin.sandbox.telegram.wire.connection import Connection
from groupadmin.sandbox.telegram.world import Place, TelegramUser, TelegramWorld

if TYPE_CHECKING:
    from groupadmin.sandbox.telegram.backend import Backend

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 0.02
"""Seconds between two looks at an event that an answer waits for."""

_CHATTER = (
    functions.help.GetConfigRequest,
    functions.updates.GetStateRequest,
    functions.updates.GetDifferenceRequest,
    functions.updates.GetChannelDifferenceRequest,
)


@dataclass(frozen=True)
class Call:
    """One request on its way to an answer, and what a handler needs to find that answer."""

    backend: Backend
    connection: Connection
    authorization: Authorization
    request: Any
    changed: set[str] = field(default_factory=set)
    """Those subjects of a write for which the world is different now."""

    @property
    def method(self) -> str:
        return type(self.request).__name__.removesuffix("Request")

    @property
    def is_chatter(self) -> bool:
        """Whether a client says this by itself to keep a connection going, and not because it was told to."""
        if isinstance(self.request, functions.users.GetUsersRequest):
            return all(isinstance(peer, types.InputUserSelf) for peer in self.request.id)
        return isinstance(self.request, _CHATTER)

    @property
    def world(self) -> TelegramWorld:
        return self.backend.world

    @property
    def viewer(self) -> int:
        """The account that asks."""
        if self.authorization.user_id is None:
            raise RpcError("AUTH_KEY_UNREGISTERED")
        return self.authorization.user_id

    @property
    def account(self) -> TelegramUser:
        return self.world.users[self.viewer]

    @property
    def origin(self) -> Origin:
        return Origin(self.viewer, self.connection)

    @cached_property
    def view(self) -> View:
        return self.backend.view_of(self.viewer)

    @cached_property
    def peers(self) -> Peers:
        return Peers(self.world, self.viewer)

    @property
    def subjects(self) -> list[str] | None:
        """Who or what a write is about; None for a call that only reads."""
        rule = _RULES.get(type(self.request))
        return None if rule is None or rule.subjects is None else [*map(str, rule.subjects(self))]

    def wrote(self, *changed: object) -> None:
        """Note that the world is different now for these subjects of the call, or for all of them."""
        self.changed.update(map(str, changed or self.subjects or ()))

    def answer_updates(self, updates: list[Any], *, people: set[int], place: Place) -> Any:
        return self.view.updates(updates, people, [place])


Handler = Callable[[Call, Any], Any]
Subjects = Callable[[Call], Iterable[object]]


def user_in_request(call: Call) -> list[object]:
    """The one person that a write is about."""
    return [call.peers.id_in(call.request.user_id)]


AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    handler: Handler
    anonymous: bool
    bots: bool
    subjects: Subjects | None = None


_RULES: dict[type, Rule] = {}


def answers(
    request_type: type, *, anonymous: bool = False, bots: bool = True, subjects: Subjects | None = None
) -> Callable[[AnyHandler], AnyHandler]:
    """Register a handler for `request_type`.

    `anonymous`: also before the sign-in. `bots`: also for bots (see "Bots can use this method" on
    the method's page at core.telegram.org/method). `subjects`: for a write, who or what it is about.
    """

    def register(handler: AnyHandler) -> AnyHandler:
        _RULES[request_type] = Rule(handler, anonymous, bots, subjects)
        return handler

    return register


async def answer(call: Call) -> bytes:
    """The serialised answer. Raises RpcError or Hangup.

    Only waiting happens side by side: handlers run one after the other, each in one piece.
    """
    backend = call.backend
    (backend.chatter if call.is_chatter else backend.calls).record(call.method)
    if backend.latency:
        await asyncio.sleep(backend.latency)
    effect = backend.script.take(call.method, {**vars(call.request), "viewer": call.authorization.user_id})
    if isinstance(effect, RpcFault) and effect.is_wait:
        raise RpcError(effect.name)
    try:
        return await _answer(call, effect)
    finally:
        subjects = call.subjects
        if subjects is not None:
            target = call.peers.named_by(call.request)
            backend.writes.record("telegram", call.method, target, subjects, call.changed)


async def _answer(call: Call, effect: Effect | None) -> bytes:
    match effect:
        case RpcFault(name, done=False):
            raise RpcError(name)
        case Drop(done=False):
            raise Hangup
        case Delay(seconds, done=False):
            await asyncio.sleep(seconds)
        case Hold(until, done=False):
            await _set(until)
        case Rewrite(fields):
            vars(call.request).update(fields)
    body = _handle(call)
    match effect:
        case RpcFault(name):
            raise RpcError(name)
        case Drop():
            raise Hangup
        case Delay(seconds, done=True):
            await asyncio.sleep(seconds)
        case Hold(until, done=True):
            await _set(until)
    return body


async def _set(event: threading.Event) -> None:
    """Return once `event` is set. Everybody else is answered meanwhile."""
    while not event.is_set():
        await asyncio.sleep(_LOOK_AGAIN)


def _handle(call: Call) -> bytes:
    try:
        return tl.write(_rule_for(call).handler(call, call.request))
    except RpcError:
        raise
    except Exception as error:  # a bug must be seen: a client would take silence for a bad line
        logger.exception("Bug in the sandbox's %s", call.method)
        call.backend.bugs.append(error)
        raise RpcError(f"SANDBOX_BUG_{type(error).__name__}: {error}"[:200]) from error


def _rule_for(call: Call) -> Rule:
    rule = _RULES.get(type(call.request))
    if rule is None:
        raise RpcError(f"METHOD_NOT_IMPLEMENTED_{call.method}")
    if not rule.anonymous and call.account.is_bot and not rule.bots:
        raise RpcError("BOT_METHOD_INVALID")
    return rule
