"""The sandbox's Socket Mode, to slack_sdk's own client, which knows nothing of it."""

from __future__ import annotations

import asyncio
from typing import Any

from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from groupadmin.sandbox.slack import SlackAppToken, SlackSandbox
from tests.slack_world import ACME, ADA, BOB, GENERAL, ROBO, SECRET, client, tiny_world

PATIENCE = 10.0


async def test_an_app_hears_what_its_user_may_and_again_what_it_does_not_acknowledge() -> None:
    world = tiny_world()
    world.app_tokens["xapp-1"] = SlackAppToken(ADA)
    with SlackSandbox(world) as sandbox:
        sandbox.sockets.ack_seconds, sandbox.sockets.retry_pauses = 0.1, (0.0,)
        heard: asyncio.Queue[SocketModeRequest] = asyncio.Queue()

        async def take(app: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
            if request.payload["event"].get("text") != "again" or request.retry_attempt:
                await app.send_socket_mode_response({"envelope_id": request.envelope_id})
            await heard.put(request)

        async def next_event() -> dict[str, Any]:
            async with asyncio.timeout(PATIENCE):
                return dict((await heard.get()).payload["event"])

        app = SocketModeClient("xapp-1", web_client=AsyncWebClient(base_url=sandbox.api_url))
        app.socket_mode_request_listeners.append(take)
        await app.connect()  # type: ignore[no-untyped-call]  # slack_sdk left it without types
        try:
            sandbox.post(SECRET, BOB, "Ada is not in it")
            await asyncio.to_thread(client(sandbox).conversations_invite, channel=ACME, users=[ROBO])
            joined = await next_event()
            assert (joined["type"], joined["user"], joined["inviter"]) == (
                "member_joined_channel",
                ROBO,
                ADA,
            )
            sandbox.rename(ACME, "renamed")
            assert (await next_event())["type"] == "group_rename"
            sandbox.post(GENERAL, BOB, "again")
            first, second = await heard.get(), await heard.get()
            assert first.payload["event_id"] == second.payload["event_id"]
            assert (second.retry_attempt, second.retry_reason) == (1, "timeout")
            sandbox.sockets.warn()
            while sandbox.sockets.connections != 1 or not await app.is_connected():
                await asyncio.sleep(0.02)
            sandbox.leave(ACME, ROBO)
            assert (await next_event())["type"] == "member_left_channel"
            async with asyncio.timeout(PATIENCE):  # the last one's answer is still on its way
                while len(sandbox.sockets.acknowledged) != 4:
                    await asyncio.sleep(0.02)
        finally:
            await app.close()  # type: ignore[no-untyped-call]
        assert sandbox.bugs == []
