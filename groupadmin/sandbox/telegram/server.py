"""A loopback Telegram for tests, demonstrations and curious people."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import TypeVar

from telethon.sessions import StringSession

from groupadmin.sandbox.control import CallLog, Script, WriteLog
from groupadmin.sandbox.telegram.backend import DC_ID, HOST, OTHER_DC_ID, Backend
from groupadmin.sandbox.telegram.updates import Origin
from groupadmin.sandbox.telegram.wire.connection import Connection
from groupadmin.sandbox.telegram.wire.packets import PacketStream
from groupadmin.sandbox.telegram.world import TelegramWorld

Result = TypeVar("Result")

_PATIENCE = 30
"""Seconds that a caller in another thread waits for the server's."""


class TelegramSandbox:
    """An MTProto server on 127.0.0.1 around `world`, running in a thread of its own.

    An unmodified `telethon.TelegramClient` speaks to it after
    `telethon.crypto.rsa.add_key(sandbox.public_key_pem, old=False)` and
    `client.session.set_dc(2, *sandbox.address)`.

    `latency`: seconds that every API request takes; requests of one connection overlap.
    `port`: 0 for a free one, which a sandbox keeps when it is stopped and started again.
    `write_log`: where to put writes on record, if others write there as well.
    """

    def __init__(
        self,
        world: TelegramWorld,
        *,
        latency: float = 0.0,
        port: int = 0,
        write_log: WriteLog | None = None,
    ) -> None:
        self._backend = Backend(world, latency, write_log or WriteLog())
        self._backend.address = (HOST, port)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def start(self) -> TelegramSandbox:
        """Begin to listen. Raises OSError when the port is taken."""
        if self._thread is not None:
            raise RuntimeError("the sandbox is running already")
        started: Future[None] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="telegram-sandbox", daemon=True
        )
        thread.start()
        started.result(_PATIENCE)
        self._thread = thread
        return self

    def stop(self) -> None:
        """Cut all connections and stop listening. Sessions survive until the next start."""
        if self._thread is None:
            return
        self.run(self._stopping.set)
        self._thread.join(_PATIENCE)
        self._thread = self._loop = None

    def __enter__(self) -> TelegramSandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # What a client is configured with

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; port 0 before the first start when none was given."""
        return self._backend.address

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def server(self) -> str:
        """The address as `TELEGRAM_SERVER` has it: "dc:host:port"."""
        return f"{DC_ID}:{HOST}:{self.port}"

    @property
    def public_key_pem(self) -> str:
        """The server's public RSA key, PKCS#1."""
        return self._backend.rsa_key.public_pem

    def mint_session(self, user_id: int) -> str:
        """A StringSession that is signed in as `user_id` already; no handshake, no code."""
        if user_id not in self.world.users:
            raise ValueError(f"there is no user {user_id} in the sandbox")
        session = StringSession()
        session.set_dc(DC_ID, *self.address)
        session.auth_key = self.run(lambda: self._backend.authorizations.mint(user_id))
        return str(session.save())

    # What a test steers and looks at

    @property
    def world(self) -> TelegramWorld:
        return self._backend.world

    @property
    def script(self) -> Script:
        """Faults to come (see effects.py). Methods are named like TL request classes, without "Request"."""
        return self._backend.script

    @property
    def calls(self) -> CallLog:
        """The API calls so far, `chatter` not among them."""
        return self._backend.calls

    @property
    def writes(self) -> WriteLog:
        """The calls that changed something, or tried to; not those that were turned away with a wait."""
        return self._backend.writes

    @property
    def chatter(self) -> CallLog:
        """What clients ask of their own accord: GetConfig, GetState, GetDifference, GetUsers (only self)."""
        return self._backend.chatter

    @property
    def bugs(self) -> list[Exception]:
        """Errors of the sandbox itself; each was answered as SANDBOX_BUG_…"""
        return self._backend.bugs

    @property
    def latency(self) -> float:
        return self._backend.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._backend.latency = seconds

    def limit_differences(self, *, slice: int = 100, longest: int = 10_000) -> None:
        """Tell at most `slice` missed events at a time, and nothing of more than `longest`."""
        self._backend.updates.slice = slice
        self._backend.updates.longest_difference = longest

    def sign_out(self, user_id: int) -> None:
        """End every session of `user_id`: the next request fails with AUTH_KEY_UNREGISTERED."""
        self.run(lambda: self._backend.authorizations.sign_out(user_id))

    def expire_codes(self) -> None:
        """Login codes that were sent are worth nothing from now on."""
        self.run(self._backend.authorizations.expire_codes)

    def drop_connections(self) -> None:
        """Cut every connection; clients may come back at once."""
        self.run(self._backend.close_connections)

    # What other people do, seen by all connected clients

    def join(self, chat_id: int, user_id: int, *, by: int | None = None) -> None:
        """`user_id` joins, alone or brought by somebody."""
        origin, chat = Origin(user_id if by is None else by), self.world.chats[chat_id]
        self.run(lambda: self._backend.actions.add(origin, chat, user_id))

    def leave(self, chat_id: int, user_id: int) -> None:
        """`user_id` leaves of their own will."""
        chat = self.world.chats[chat_id]
        self.run(lambda: self._backend.actions.leave(Origin(user_id), chat))

    def ban(self, chat_id: int, user_id: int, *, by: int) -> None:
        """Somebody throws `user_id` out."""
        chat = self.world.chats[chat_id]
        self.run(lambda: self._backend.actions.ban(Origin(by), chat, user_id))

    def unban(self, chat_id: int, user_id: int, *, by: int) -> None:
        chat = self.world.chats[chat_id]
        self.run(lambda: self._backend.actions.forgive(Origin(by), chat, user_id))

    def rename(self, chat_id: int, title: str, *, by: int) -> None:
        """Somebody gives the chat another name."""
        chat = self.world.chats[chat_id]
        self.run(lambda: self._backend.actions.rename(Origin(by), chat, title))

    def join_request(self, chat_id: int, user_id: int) -> None:
        """`user_id` asks to be let in, through the chat's first invite link."""
        chat = self.world.chats[chat_id]
        link = chat.invite_links[0] if chat.invite_links else "https://t.me/+sandbox"
        self.run(lambda: self._backend.actions.ask_to_join(Origin(user_id), chat, link))

    def post(self, chat_id: int, sender: int, text: str) -> int:
        """`sender` writes in a chat; returns the id of the message."""
        chat = self.world.chats[chat_id]
        message, _ = self.run(lambda: self._backend.actions.post(Origin(sender), chat, text))
        return message.id

    def send_private(self, sender: int, recipient: int, text: str) -> int:
        """`sender` writes to `recipient`; returns the id of the message."""

        def send() -> int:
            conversation = self.world.converse(sender, recipient)
            return self._backend.actions.post(Origin(sender), conversation, text)[0].id

        return self.run(send)

    def run(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the server's thread, between two requests, and return what it returns."""
        if self._loop is None or threading.current_thread() is self._thread:
            return work()

        async def in_the_loop() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(in_the_loop(), self._loop).result(_PATIENCE)

    async def _serve(self, started: Future[None]) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        serving: set[asyncio.Task[None]] = set()

        async def accept(dc_id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                serving.add(task)
                task.add_done_callback(serving.discard)
            await Connection(self._backend, PacketStream(reader, writer), dc_id).serve()

        try:
            server = await asyncio.start_server(partial(accept, DC_ID), *self._backend.address)
            other = await asyncio.start_server(partial(accept, OTHER_DC_ID), HOST, 0)
        except OSError as error:
            self._loop = None
            started.set_exception(error)
            return
        host, port = server.sockets[0].getsockname()
        self._backend.address = (host, port)
        self._backend.addresses = {DC_ID: (host, port), OTHER_DC_ID: other.sockets[0].getsockname()}
        started.set_result(None)
        await self._stopping.wait()
        server.close()
        other.close()
        self._backend.close_connections()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()
        await other.wait_closed()
