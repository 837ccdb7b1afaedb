"""The sandbox's Slack answers as Slack's reference says: who may see what, and in which shape."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackUser
from tests.slack_world import (
    ACME,
    ADA,
    ADAS_TOKEN,
    BOB,
    BOBS_TOKEN,
    BOT_TOKEN,
    CY,
    EVE,
    GENERAL,
    LOUNGE,
    OLD,
    ROBO,
    SECRET,
    STRANGER,
    client,
    ids,
    refusal,
    tiny_world,
)

BOTH_TYPES = "public_channel,private_channel"


@pytest.fixture
def sandbox() -> Iterator[SlackSandbox]:
    with SlackSandbox(tiny_world()) as server:
        yield server
    assert server.bugs == []


def paged(sandbox: SlackSandbox, method: str, key: str, **arguments: Any) -> list[list[Any]]:
    pages = client(sandbox).api_call(method, params=arguments)
    return [page[key] for page in pages]


class TestTokens:
    def test_auth_test_tells_who_the_token_is(self, sandbox: SlackSandbox) -> None:
        me = client(sandbox).auth_test()
        assert (me["user_id"], me["user"], me["team"]) == (ADA, "ada", "Sandbox Company")
        assert me["team_id"] == client(sandbox).team_info()["team"]["id"]
        assert me.get("bot_id") is None
        assert client(sandbox, BOT_TOKEN).auth_test()["bot_id"].startswith("B")

    def test_bad_tokens_are_told_apart(self, sandbox: SlackSandbox) -> None:
        assert refusal(sandbox, "auth.test", None)["error"] == "not_authed"
        assert refusal(sandbox, "auth.test", "xoxp-nobody")["error"] == "invalid_auth"
        sandbox.world.users[BOB].deleted = True
        assert refusal(sandbox, "auth.test", BOBS_TOKEN)["error"] == "account_inactive"
        sandbox.world.revoke(ADAS_TOKEN)
        assert refusal(sandbox, "auth.test")["error"] == "token_revoked"

    def test_missing_scope_names_what_is_needed_and_provided(self, sandbox: SlackSandbox) -> None:
        token = sandbox.world.tokens[ADAS_TOKEN]
        token.scopes = frozenset({"users:read", "channels:read"})
        body = refusal(sandbox, "users.conversations", types=BOTH_TYPES)
        assert body["error"] == "missing_scope"
        assert body["needed"] == "groups:read"
        assert body["provided"] == "channels:read,users:read"
        assert refusal(sandbox, "conversations.info", channel=ACME)["needed"] == "groups:read"
        assert refusal(sandbox, "conversations.history", channel=GENERAL)["needed"] == (
            "channels:history,groups:history"
        )
        assert refusal(sandbox, "chat.postMessage", channel=GENERAL, text="hi")["needed"] == "chat:write"
        answer = client(sandbox).conversations_list()
        assert answer.headers["X-OAuth-Scopes"] == "channels:read,users:read"

    def test_writing_scopes_depend_on_the_kind_of_token(self, sandbox: SlackSandbox) -> None:
        for token in sandbox.world.tokens.values():
            token.scopes = frozenset()
        as_user = refusal(sandbox, "conversations.kick", channel=GENERAL, user=EVE)
        as_bot = refusal(sandbox, "conversations.kick", BOT_TOKEN, channel=GENERAL, user=EVE)
        assert as_user["needed"] == "channels:write,groups:write"
        assert as_bot["needed"] == "channels:manage,groups:write"
        sandbox.world.tokens[ADAS_TOKEN].scopes = frozenset({"channels:write.invites"})
        client(sandbox).conversations_invite(channel=GENERAL, users=newcomer(sandbox))

    def test_an_unknown_method_is_named(self, sandbox: SlackSandbox) -> None:
        body = refusal(sandbox, "conversations.abolish")
        assert body == {"ok": False, "error": "unknown_method", "req_method": "conversations.abolish"}


def newcomer(sandbox: SlackSandbox) -> str:
    return sandbox.world.add_user(SlackUser("U8", "fay", "Fay Example")).id


class TestUsers:
    def test_the_directory_has_everybody(self, sandbox: SlackSandbox) -> None:
        users = {user["id"]: user for user in client(sandbox).users_list()["members"]}
        assert set(users) == set(sandbox.world.users)
        assert users[ADA]["profile"]["email"] == "ada@example.com"
        assert users[BOB]["profile"]["display_name"] == ""
        assert users[BOB]["is_admin"] and not users[ADA]["is_admin"]
        assert users[EVE]["is_ultra_restricted"]
        assert users[ROBO]["is_bot"] and users[ROBO]["profile"]["bot_id"]
        assert users[STRANGER]["team_id"] != users[ADA]["team_id"]

    def test_a_deactivated_user_keeps_the_real_name_only_in_the_profile(self, sandbox: SlackSandbox) -> None:
        user = client(sandbox).users_info(user=CY)["user"]
        assert user["deleted"] and "real_name" not in user
        assert user["profile"]["real_name"] == "Cy Gone"

    def test_email_needs_its_own_scope(self, sandbox: SlackSandbox) -> None:
        sandbox.world.tokens[ADAS_TOKEN].scopes -= {"users:read.email"}
        assert "email" not in client(sandbox).users_info(user=ADA)["user"]["profile"]

    def test_an_unknown_user_is_not_found(self, sandbox: SlackSandbox) -> None:
        assert refusal(sandbox, "users.info", user="U404")["error"] == "user_not_found"
        assert refusal(sandbox, "users.info")["error"] == "user_not_found"

    def test_a_large_directory_requires_a_limit(self, sandbox: SlackSandbox) -> None:
        for number in range(500):
            sandbox.world.add_user(SlackUser(f"UX{number:03}", f"x{number}", "Xeno Example"))
        assert refusal(sandbox, "users.list")["error"] == "limit_required"
        assert refusal(sandbox, "users.list", limit=0)["error"] == "limit_required"
        pages = paged(sandbox, "users.list", "members", limit=200)
        assert [len(page) for page in pages] == [200, 200, 107]


class TestVisibility:
    def test_only_public_channels_are_listed_unless_asked(self, sandbox: SlackSandbox) -> None:
        assert ids(client(sandbox).conversations_list()["channels"]) == [GENERAL, OLD, LOUNGE]
        assert ids(client(sandbox).users_conversations()["channels"]) == [GENERAL, OLD]

    def test_private_channels_exist_for_their_members_only(self, sandbox: SlackSandbox) -> None:
        def listed(token: str) -> list[str]:
            return ids(client(sandbox, token).conversations_list(types="private_channel")["channels"])

        assert listed(ADAS_TOKEN) == [ACME]
        assert listed(BOBS_TOKEN) == [ACME, SECRET]
        assert listed(BOT_TOKEN) == []
        for method in ("info", "members", "history", "kick", "invite", "join", "rename"):
            body = refusal(sandbox, f"conversations.{method}", channel=SECRET)
            assert body["error"] == "channel_not_found"
        assert refusal(sandbox, "chat.postMessage", channel="secret", text="x")["error"] == (
            "channel_not_found"
        )

    def test_channels_of_another_person_are_those_shared_or_public(self, sandbox: SlackSandbox) -> None:
        theirs = client(sandbox).users_conversations(user=BOB, types=BOTH_TYPES)["channels"]
        assert ids(theirs) == [GENERAL, ACME, LOUNGE]
        assert refusal(sandbox, "users.conversations", user="U404")["error"] == "user_not_found"

    def test_a_guest_sees_only_their_channels(self, sandbox: SlackSandbox) -> None:
        sandbox.world.tokens[BOBS_TOKEN].user_id = EVE
        assert ids(client(sandbox, BOBS_TOKEN).conversations_list()["channels"]) == [GENERAL]

    def test_unknown_types_are_refused(self, sandbox: SlackSandbox) -> None:
        assert refusal(sandbox, "conversations.list", types="public")["error"] == "invalid_types"

    def test_a_missing_channel_is_not_found(self, sandbox: SlackSandbox) -> None:
        assert refusal(sandbox, "conversations.info")["error"] == "channel_not_found"


class TestChannelObjects:
    def test_counts_and_membership_come_with_the_list(self, sandbox: SlackSandbox) -> None:
        general, _, lounge = client(sandbox).conversations_list()["channels"]
        assert (general["num_members"], general["is_member"]) == (4, True)
        assert (lounge["num_members"], lounge["is_member"]) == (1, False)
        assert general["is_general"] and general["topic"]["value"] == "Hello"
        assert lounge["is_ext_shared"] and not general["is_ext_shared"]

    def test_users_conversations_omits_them(self, sandbox: SlackSandbox) -> None:
        (general, _) = client(sandbox).users_conversations()["channels"]
        assert not {"num_members", "is_member"} & general.keys()

    def test_info_counts_members_on_request(self, sandbox: SlackSandbox) -> None:
        plain = client(sandbox).conversations_info(channel=ACME)["channel"]
        assert plain["is_private"] and plain["is_member"] and "num_members" not in plain
        counted = client(sandbox).conversations_info(channel=ACME, include_num_members=True)["channel"]
        assert counted["num_members"] == 2

    def test_private_means_is_private_and_not_the_prefix_of_the_id(self, sandbox: SlackSandbox) -> None:
        sandbox.world.add_channel(SlackChannel("G1", "ancient", ADA, {ADA: None}, is_private=True))
        channels = client(sandbox).conversations_list(types="private_channel")["channels"]
        assert [(each["id"], each["is_channel"], each["is_group"]) for each in channels] == [
            (ACME, True, False),
            ("G1", False, True),
        ]


class TestPaging:
    def test_cursors_lead_through_everything_once(self, sandbox: SlackSandbox) -> None:
        assert paged(sandbox, "conversations.members", "members", channel=GENERAL, limit=3) == [
            [ADA, BOB, EVE],
            [ROBO],
        ]

    def test_archived_channels_are_left_out_after_paging(self, sandbox: SlackSandbox) -> None:
        pages = paged(sandbox, "conversations.list", "channels", limit=2, exclude_archived=True)
        assert [ids(page) for page in pages] == [[GENERAL], [LOUNGE]]

    def test_pages_may_be_shorter_than_asked_for(self, sandbox: SlackSandbox) -> None:
        sandbox.page_cap = 1
        pages = paged(sandbox, "conversations.list", "channels", limit=200)
        assert [ids(page) for page in pages] == [[GENERAL], [OLD], [LOUNGE]]

    def test_empty_pages_keep_a_live_cursor(self, sandbox: SlackSandbox) -> None:
        sandbox.empty_pages = True
        pages = paged(sandbox, "conversations.list", "channels", limit=2)
        assert [ids(page) for page in pages] == [[], [GENERAL, OLD], [], [LOUNGE]]

    def test_what_vanishes_between_two_pages_hides_nothing_else(self, sandbox: SlackSandbox) -> None:
        first = client(sandbox).conversations_list(limit=2)
        del sandbox.world.channels[OLD]
        cursor = first["response_metadata"]["next_cursor"]
        assert ids(client(sandbox).conversations_list(limit=2, cursor=cursor)["channels"]) == [LOUNGE]

    @pytest.mark.parametrize("limit", ["1000", "-1", "many", "1.5"])
    def test_a_limit_that_is_no_limit_is_refused(self, sandbox: SlackSandbox, limit: str) -> None:
        for method in ("conversations.list", "users.conversations"):
            assert refusal(sandbox, method, limit=limit)["error"] == "invalid_limit"

    @pytest.mark.parametrize("cursor", ["!", "bm9uc2Vuc2U=", "%ff"])
    def test_a_made_up_cursor_is_refused(self, sandbox: SlackSandbox, cursor: str) -> None:
        assert refusal(sandbox, "conversations.list", cursor=cursor)["error"] == "invalid_cursor"

    def test_a_cursor_belongs_to_its_method(self, sandbox: SlackSandbox) -> None:
        cursor = client(sandbox).users_list(limit=1)["response_metadata"]["next_cursor"]
        assert refusal(sandbox, "conversations.list", cursor=cursor)["error"] == "invalid_cursor"


class TestWire:
    """What slack_sdk does not show: verbs, bodies and connections."""

    @staticmethod
    def post(sandbox: SlackSandbox, method: str, body: str, content_type: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        headers = {"Content-Type": content_type, "Authorization": "Bearer xoxp-ada"}
        connection.request("POST", f"/api/{method}", body, headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def test_the_token_may_come_as_an_argument(self, sandbox: SlackSandbox) -> None:
        me = client(sandbox, None).api_call("auth.test", params={"token": BOBS_TOKEN})
        assert me["user_id"] == BOB

    def test_get_and_post_form_are_the_same(self, sandbox: SlackSandbox) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        connection.request("GET", f"/api/users.info?user={ADA}&token=xoxp-ada")
        by_get = json.loads(connection.getresponse().read())
        connection.close()
        by_post = self.post(sandbox, "users.info", f"user={ADA}", "application/x-www-form-urlencoded")
        assert by_get == by_post

    def test_json_bodies_are_read_where_slack_reads_them(self, sandbox: SlackSandbox) -> None:
        body = json.dumps({"channel": ACME, "user": BOB, "token": "ignored"})
        assert self.post(sandbox, "conversations.kick", body, "application/json")["ok"]
        assert self.post(sandbox, "conversations.info", body, "application/json")["error"] == (
            "channel_not_found"
        )

    @pytest.mark.parametrize(
        ("body", "content_type", "error"),
        [
            ("{", "application/json", "invalid_json"),
            ("[]", "application/json", "json_not_object"),
            ("a=b", "application/x-sandwich", "invalid_post_type"),
        ],
    )
    def test_a_broken_body_is_refused(
        self, sandbox: SlackSandbox, body: str, content_type: str, error: str
    ) -> None:
        assert self.post(sandbox, "auth.test", body, content_type) == {"ok": False, "error": error}

    def test_one_connection_serves_many_calls(self, sandbox: SlackSandbox) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        connection.connect()
        socket = connection.sock
        for _ in range(3):
            connection.request("GET", "/api/auth.test?token=xoxp-ada")
            assert json.loads(connection.getresponse().read())["ok"]
        assert connection.sock is socket
        connection.close()

    def test_fifty_connections_at_once_are_served(self, sandbox: SlackSandbox) -> None:
        sandbox.latency = 0.05
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: client(sandbox).auth_test()["user_id"], range(50)))
        assert answers == [ADA] * 50
        assert sandbox.calls.counts() == {"auth.test": 50}

    def test_a_stopped_server_answers_nobody_and_can_come_back(self, sandbox: SlackSandbox) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        connection.request("GET", "/api/auth.test?token=xoxp-ada")
        connection.getresponse().read()
        sandbox.stop()
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            connection.request("GET", "/api/auth.test?token=xoxp-ada")
            connection.getresponse()
        connection.close()
        sandbox.start()
        assert client(sandbox).auth_test()["ok"]
