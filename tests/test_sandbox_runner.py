"""Both sandbox servers around the company: unmodified clients see exactly what the truth says."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from slack_sdk import WebClient
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.sessions import StringSession
from telethon.tl import functions, types

from groupadmin.sandbox.company import Company, Size, build_company
from groupadmin.sandbox.control import WriteLog
from groupadmin.sandbox.runner import Sandbox
from tests.processes import environment, eventually, free_port, running

SMALL = Size.of(20)
TYPES = "public_channel,private_channel"


@pytest.fixture(scope="module")
def company() -> Company:
    return build_company()


@pytest.fixture(scope="module")
def sandbox(company: Company) -> Iterator[Sandbox]:
    """Nobody here writes to it."""
    with Sandbox(company) as sandbox:
        yield sandbox
    assert sandbox.slack.bugs == []
    assert sandbox.telegram.bugs == []


@pytest.fixture
def slack(sandbox: Sandbox) -> WebClient:
    env = sandbox.environment()
    return WebClient(env["SLACK_USER_TOKEN"], base_url=env["SLACK_API_URL"])


@pytest.fixture
async def telegram(sandbox: Sandbox) -> AsyncIterator[TelegramClient]:
    env = sandbox.environment()
    rsa.add_key(Path(env["TELEGRAM_SERVER_KEY"]).read_text(), old=False)
    session = StringSession(env["TELEGRAM_SESSION"])
    client = TelegramClient(
        session, int(env["TELEGRAM_API_ID"]), env["TELEGRAM_API_HASH"], receive_updates=False
    )
    await client.connect()
    yield client
    await client.disconnect()


class TestSlack:
    def test_the_list_of_channels_is_the_truth_and_what_is_out_of_scope(
        self, slack: WebClient, company: Company
    ) -> None:
        listed = {
            channel["id"]: channel
            for page in slack.conversations_list(types=TYPES, limit=999)
            for channel in page["channels"]
        }
        wanted = [group for group in company.truth.groups.values() if group.platform == "slack"]
        for group in wanted:
            channel = listed[group.id]
            assert channel["name"] == group.name
            assert channel["is_private"] is (group.privacy == "private")
            assert channel["num_members"] == group.total_members
        others = [
            channel
            for channel_id, channel in listed.items()
            if ("slack", channel_id) not in company.truth.groups
        ]
        assert all(
            "bitsafe" not in other["name"] or other["is_archived"] or other["name"] == "bitsafe-watercooler"
            for other in others
        )
        assert not {group_id for _, group_id in company.truth.unseeable} & listed.keys()

    @pytest.mark.parametrize("key", ["bo", "fay", "ivy", "jo", "kim"])
    def test_somebodys_channels_are_where_the_truth_has_them(
        self, slack: WebClient, company: Company, key: str
    ) -> None:
        user = company.identities.slack[key]
        answer = slack.users_conversations(user=user, types=TYPES, limit=999)
        present = {channel["id"] for page in answer for channel in page["channels"]}
        for (platform, group_id), group in company.truth.groups.items():
            if platform == "slack" and key not in group.excluded:
                assert (group_id in present) is (key in present_in(company, group_id))

    def test_the_directory_takes_five_pages_and_the_channels_come_after_empty_pages(
        self, slack: WebClient, company: Company
    ) -> None:
        sizes = [len(page["members"]) for page in slack.users_list(limit=999)]
        assert sizes == [200, 200, 200, 200, 100]
        sizes = [len(page["channels"]) for page in slack.conversations_list(types=TYPES, limit=999)]
        assert sizes[0] == 0
        assert sum(sizes) > 200


def present_in(company: Company, channel_id: str) -> set[str]:
    """Straight from the world: the truth has no list for people under review."""
    members = company.slack.channels[channel_id].members
    return {key for key, user in company.identities.slack.items() if user in members}


class TestTelegram:
    async def test_the_dialogs_are_the_truth_and_what_is_out_of_scope(
        self, telegram: TelegramClient, company: Company
    ) -> None:
        listed: dict[int, Any] = {dialog.entity.id: dialog.entity async for dialog in telegram.iter_dialogs()}
        for (platform, group_id), group in company.truth.groups.items():
            if platform != "telegram":
                continue
            chat = listed[int(group_id)]
            assert chat.title == group.name
            assert admin_status(chat) == group.admin_status
            assert bool(getattr(chat, "username", None)) is (group.privacy == "public")
            assert chat.participants_count in (None, group.total_members)
        assert (
            not {int(group_id) for platform, group_id in company.truth.unseeable if platform == "telegram"}
            & listed.keys()
        )

    async def test_a_username_leads_to_the_employee(self, telegram: TelegramClient, company: Company) -> None:
        for row in company.policy["employees"]:
            peer = await telegram.get_input_entity(row["telegram_username"])
            if not isinstance(peer, types.InputPeerSelf):
                assert peer.user_id == company.identities.telegram[row["key"]]

    @pytest.mark.parametrize("key", ["cy", "eve", "hal", "kim"])
    async def test_common_groups_are_where_the_truth_has_somebody(
        self, telegram: TelegramClient, company: Company, key: str
    ) -> None:
        person = await telegram.get_input_entity(company.staff[key].telegram_account.usernames[0])
        common = await common_chats(telegram, person)
        for (platform, group_id), group in company.truth.groups.items():
            chat = company.telegram.chats[int(group_id)] if platform == "telegram" else None
            if chat is None or chat.members_hidden:
                continue
            lists = group.required_present | group.optional_present | group.departed_present | group.excluded
            assert (chat.id in common) <= (key in lists)
            assert (key in lists - group.excluded) <= (chat.id in common)

    async def test_history_is_hidden_where_the_truth_says_so(
        self, telegram: TelegramClient, company: Company
    ) -> None:
        channels = {
            d.entity.id: d.entity
            async for d in telegram.iter_dialogs()
            if isinstance(d.entity, types.Channel)
        }
        for (_, group_id), group in company.truth.groups.items():
            if "hidden_history" in group.flags:
                full = await telegram(functions.channels.GetFullChannelRequest(channels[int(group_id)]))
                assert full.full_chat.hidden_prehistory

    async def test_the_bot_signs_in(self, sandbox: Sandbox, company: Company) -> None:
        env = sandbox.environment()
        rsa.add_key(Path(env["TELEGRAM_SERVER_KEY"]).read_text(), old=False)
        session = StringSession()
        session.set_dc(2, "127.0.0.1", sandbox.telegram.port)
        client = TelegramClient(session, 1, "invented", receive_updates=False)
        await client.start(bot_token=env["TELEGRAM_BOT_TOKEN"])
        assert (await client.get_me()).bot
        await client.disconnect()


def admin_status(chat: types.Chat | types.Channel) -> str:
    if chat.creator:
        return "owner"
    if chat.admin_rights is None:
        return "member"
    return "admin_can_rename" if chat.admin_rights.change_info else "admin"


async def common_chats(client: TelegramClient, person: types.InputPeerUser) -> set[int]:
    found: list[int] = []
    while page := (
        await client(
            functions.messages.GetCommonChatsRequest(person, max_id=found[-1] if found else 0, limit=100)
        )
    ).chats:
        found += [chat.id for chat in page]
    return set(found)


class TestStartAndStop:
    def test_the_environment_is_known_while_it_runs(self, tmp_path: Path) -> None:
        sandbox = Sandbox(build_company(SMALL), folder=tmp_path)
        with pytest.raises(RuntimeError, match="not running"):
            sandbox.environment()
        with sandbox:
            key = Path(sandbox.environment()["TELEGRAM_SERVER_KEY"])
            assert key.parent == tmp_path
            assert "PUBLIC KEY" in key.read_text()
        with pytest.raises(RuntimeError, match="not running"):
            sandbox.environment()

    def test_a_port_that_is_taken_stops_both_servers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            slack_port = free_port()
            sandbox = Sandbox(
                build_company(SMALL), slack_port=slack_port, telegram_port=int(taken.getsockname()[1])
            )
            with pytest.raises(OSError, match="in use"):
                sandbox.start()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", slack_port))


class TestCommand:
    def test_runs_until_it_is_interrupted_and_says_how_to_use_it(self, tmp_path: Path) -> None:
        log, policy, env_file = tmp_path / "log", tmp_path / "policy.json", tmp_path / ".env"
        writes = tmp_path / "writes.jsonl"
        command = [sys.executable, "manage.py", "sandbox", "--size", "20", "--seed", "3"]
        command += ["--write-policy", str(policy), "--env-file", str(env_file), "--write-log", str(writes)]
        env = environment(VAR_DIR=str(tmp_path))
        with running(command, env=env, log=log) as process:
            eventually(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            values = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
            client = WebClient(values["SLACK_USER_TOKEN"], base_url=values["SLACK_API_URL"])
            assert client.auth_test()["user"] == "ada"
            opened = client.conversations_open(users=client.auth_test()["user_id"])["channel"]["id"]
            client.chat_postMessage(channel=opened, text="a note to myself")
            assert [write.method for write in WriteLog.read(writes)] == [
                "conversations.open",
                "chat.postMessage",
            ]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert json.loads(policy.read_text()) == build_company(SMALL, seed=3).policy
        assert all(f"export {name}={value}" in log.read_text() for name, value in values.items())
        assert "12345" in log.read_text()

    def test_a_taken_port_is_one_clear_line(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            with pytest.raises(CommandError, match=r"^.*choose other ports.*$") as refused:
                call_command("sandbox", "--size", "20", "--slack-port", port)
        assert refused.value.returncode == 1

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ("--slack-port 99999", "'99999' is not a port"),
            ("--size 0", "'0' is not a number of 1 or more"),
        ],
    )
    def test_an_impossible_wish_is_a_usage_error(
        self, capsys: pytest.CaptureFixture[str], words: str, complaint: str
    ) -> None:
        with pytest.raises(SystemExit) as refused:
            execute_from_command_line(["manage.py", "sandbox", *words.split()])
        assert refused.value.code == 2
        assert complaint in capsys.readouterr().err
