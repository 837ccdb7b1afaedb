"""Telegram's objects and errors as the adapter's own: pure, nothing on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import errors as tl_errors
from telethon.errors.rpcerrorlist import rpc_errors_dict
from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.configs import ServerAddress, TelegramConfig, parse_server
from members.platforms.errors import (
    AccountTrouble,
    Gone,
    NotConfigured,
    PlatformError,
    RateLimited,
    Refused,
    SignedOut,
    TryLater,
)
from members.platforms.telegram_client import make_client
from members.platforms.telegram_errors import translate
from members.platforms.telegram_parse import (
    parse_details,
    parse_group,
    parse_user,
    present_user_id,
)
from members.platforms.telegram_people import search_order
from members.platforms.text import group_name
from members.platforms.types import AdminStatus, GroupKind, History, Platform, PlatformGroup, Privacy

FLAG = st.sampled_from([None, True])
COUNT = st.none() | st.integers(0, 200_000)
BARE_ID = st.integers(1, 2**53)
NAMES = st.lists(st.builds(tl.Username, st.text(min_size=1), active=FLAG), max_size=3)
RIGHTS = st.none() | st.builds(tl.ChatAdminRights, change_info=FLAG)
CHANNELS = st.builds(
    tl.Channel,
    id=BARE_ID,
    title=st.text(),
    photo=st.just(tl.ChatPhotoEmpty()),
    date=st.datetimes(timezones=st.just(UTC)),
    creator=FLAG,
    left=FLAG,
    broadcast=FLAG,
    megagroup=FLAG,
    gigagroup=FLAG,
    min=FLAG,
    monoforum=FLAG,
    username=st.none() | st.text(min_size=1),
    usernames=st.none() | NAMES,
    admin_rights=RIGHTS,
    participants_count=COUNT,
)
BASIC_GROUPS = st.builds(
    tl.Chat,
    id=BARE_ID,
    title=st.text(),
    photo=st.just(tl.ChatPhotoEmpty()),
    participants_count=st.integers(0, 200),
    date=st.datetimes(timezones=st.just(UTC)),
    version=st.just(1),
    creator=FLAG,
    left=FLAG,
    deactivated=FLAG,
    migrated_to=st.none() | st.builds(tl.InputChannel, BARE_ID, st.just(0)),
    admin_rights=RIGHTS,
)


def channel(**fields: Any) -> tl.Channel:
    return tl.Channel(7, "Acme", tl.ChatPhotoEmpty(), date=datetime(2026, 1, 2, tzinfo=UTC), **fields)


def group(**fields: Any) -> PlatformGroup:
    parsed = parse_group(channel(megagroup=True, **fields))
    assert parsed is not None
    return parsed


NO_INVITING = tl.ChatBannedRights(until_date=None, invite_users=True)
NO_RENAMING = tl.ChatBannedRights(until_date=None, change_info=True)


class TestGroups:
    @given(CHANNELS | BASIC_GROUPS)
    def test_every_chat_is_a_group_we_are_in_or_nothing(self, chat: Any) -> None:
        parsed = parse_group(chat)
        if parsed is None:
            return
        assert (parsed.id, parsed.name, parsed.joined) == (str(chat.id), group_name(chat.title), True)
        assert parsed.total_members is None or parsed.total_members > 0
        if parsed.kind is GroupKind.BASIC:
            assert parsed.privacy is Privacy.PRIVATE and parsed.history is History.NOT_APPLICABLE
            assert parsed.superseded_by or not (chat.left or chat.deactivated)
        else:
            assert parsed.history is History.UNKNOWN and parsed.superseded_by is None
            assert not (chat.left or chat.monoforum)
            assert (parsed.admin_status is AdminStatus.UNKNOWN) == bool(chat.min)
            assert chat.megagroup or chat.gigagroup

    @pytest.mark.parametrize(
        ("title", "name"),
        [("=1+1 \u202ecba 🦊\x1b", "=1+1 \u202ecba 🦊\x1b"), ("a\0b", "a\ufffdb"), ("x" * 300, "x" * 255)],
        ids=["as it is", "NUL", "too long"],
    )
    def test_names_are_what_every_database_keeps(self, title: str, name: str) -> None:
        chat = tl.Channel(7, title, tl.ChatPhotoEmpty(), date=None, megagroup=True)
        parsed = parse_group(chat)
        assert parsed is not None and parsed.name == name

    @pytest.mark.parametrize(
        "chat",
        [
            channel(broadcast=True),
            channel(megagroup=True, left=True),
            channel(megagroup=True, monoforum=True),
            tl.ChannelForbidden(7, 0, "Acme", megagroup=True),
            tl.ChatForbidden(7, "Acme"),
            tl.ChatEmpty(7),
            tl.Chat(7, "Acme", tl.ChatPhotoEmpty(), 2, None, 1, left=True),
            tl.Chat(7, "Acme", tl.ChatPhotoEmpty(), 2, None, 1, deactivated=True),
            tl.Community(7, "Acme", tl.ChatPhotoEmpty(), None),
        ],
    )
    def test_is_not_a_group(self, chat: Any) -> None:
        assert parse_group(chat) is None

    def test_public_means_that_a_username_leads_to_it_now(self) -> None:
        assert group(username="acme").privacy is Privacy.PUBLIC
        assert group(usernames=[tl.Username("acme", active=True)]).privacy is Privacy.PUBLIC
        assert group(usernames=[tl.Username("acme")]).privacy is Privacy.PRIVATE
        assert group().privacy is Privacy.PRIVATE

    @pytest.mark.parametrize(
        ("fields", "may"),
        [
            ({}, True),
            ({"default_banned_rights": NO_INVITING}, False),
            ({"banned_rights": NO_INVITING}, False),
            ({"default_banned_rights": NO_INVITING, "creator": True}, True),
            (
                {
                    "default_banned_rights": NO_INVITING,
                    "admin_rights": tl.ChatAdminRights(invite_users=True),
                },
                True,
            ),
            (
                {"default_banned_rights": NO_INVITING, "admin_rights": tl.ChatAdminRights(ban_users=True)},
                False,
            ),
        ],
        ids=["nothing said", "nobody may", "we may not", "owner", "admin with the right", "admin without"],
    )
    def test_whether_the_account_may_add_people(self, fields: dict[str, Any], may: bool) -> None:
        assert group(**fields).may_invite is may

    def test_what_the_account_may_do(self) -> None:
        may_rename, may_not = tl.ChatAdminRights(change_info=True), tl.ChatAdminRights(ban_users=True)
        assert group(creator=True, admin_rights=may_rename).admin_status is AdminStatus.OWNER
        assert group(admin_rights=may_rename).admin_status is AdminStatus.ADMIN_CAN_RENAME
        assert group(admin_rights=may_not).admin_status is AdminStatus.ADMIN
        assert group().admin_status is AdminStatus.MEMBER

    @pytest.mark.parametrize(
        ("fields", "may"),
        [
            ({}, False),
            ({"default_banned_rights": NO_INVITING}, True),
            ({"default_banned_rights": NO_INVITING, "banned_rights": NO_RENAMING}, False),
            ({"default_banned_rights": NO_RENAMING}, False),
            ({"default_banned_rights": NO_RENAMING, "creator": True}, True),
            ({"default_banned_rights": NO_RENAMING, "admin_rights": tl.ChatAdminRights()}, False),
            (
                {
                    "default_banned_rights": NO_RENAMING,
                    "admin_rights": tl.ChatAdminRights(change_info=True),
                },
                True,
            ),
            ({"min": True}, True),
        ],
        ids=[
            "nothing said",
            "everybody may",
            "everybody but us",
            "nobody may",
            "owner",
            "admin without",
            "admin with the right",
            "not told",
        ],
    )
    def test_whether_the_account_may_rename(self, fields: dict[str, Any], may: bool) -> None:
        assert group(**fields).may_rename is may

    def test_the_day_we_joined_a_supergroup_is_not_the_day_it_was_created(self) -> None:
        assert group().created_at is None

    def test_details_of_a_supergroup(self) -> None:
        full = tl.ChannelFull(
            7,
            "",
            0,
            0,
            0,
            tl.PhotoEmpty(0),
            tl.PeerNotifySettings(),
            [],
            1,
            hidden_prehistory=True,
            participants_hidden=True,
            participants_count=31,
            migrated_from_chat_id=4,
        )
        details = parse_details(full)
        assert details.history is History.HIDDEN
        assert details.members_hidden
        assert (details.total_members, details.migrated_from) == (31, "4")


class TestPeople:
    def test_every_username_that_works_now_the_main_one_first(self) -> None:
        extra = [tl.Username("ada", active=True), tl.Username("old_ada"), tl.Username("ada_two", active=True)]
        user = parse_user(tl.User(5, first_name="Ada", last_name="Example", username="Ada", usernames=extra))
        assert user.usernames == ("Ada", "ada_two")
        assert (user.id, user.name, user.active, user.is_bot) == ("5", "Ada Example", True, False)

    def test_a_deleted_account_has_no_name_and_is_not_active(self) -> None:
        user = parse_user(tl.User(5, deleted=True))
        assert (user.name, user.usernames, user.active) == ("", (), False)

    @pytest.mark.parametrize(
        ("participant", "user_id"),
        [
            (tl.ChannelParticipant(5, None), 5),
            (tl.ChannelParticipantCreator(5, tl.ChatAdminRights()), 5),
            (tl.ChannelParticipantLeft(tl.PeerUser(5)), None),
            (
                tl.ChannelParticipantBanned(tl.PeerUser(5), 1, None, tl.ChatBannedRights(None), left=True),
                None,
            ),
            (tl.ChannelParticipantBanned(tl.PeerUser(5), 1, None, tl.ChatBannedRights(None)), 5),
            (tl.ChannelParticipantBanned(tl.PeerChannel(5), 1, None, tl.ChatBannedRights(None)), None),
            (tl.ChatParticipant(5, 1, None), 5),
        ],
    )
    def test_who_a_line_of_a_member_list_says_is_there(self, participant: Any, user_id: int | None) -> None:
        assert present_user_id(participant) == user_id


class TestSearchOrder:
    @given(st.lists(COUNT, max_size=60))
    def test_few_groups_each_once_the_largest_first(self, sizes: list[int | None]) -> None:
        groups = [
            PlatformGroup(
                Platform.TELEGRAM,
                str(number),
                "",
                GroupKind.SUPERGROUP,
                Privacy.PRIVATE,
                total_members=size,
            )
            for number, size in enumerate(sizes)
        ]
        order = search_order(groups)
        assert len(order) == len({one.id for one in order}) == min(6, len(groups))
        if order:
            assert order[0].total_members == max(groups, key=lambda one: one.total_members or 0).total_members

    def test_basic_groups_cannot_be_searched(self) -> None:
        basic = PlatformGroup(Platform.TELEGRAM, "1", "", GroupKind.BASIC, Privacy.PRIVATE, total_members=9)
        assert search_order([basic]) == []


class TestErrors:
    def test_every_error_keeps_telegrams_word_in_one_line(self) -> None:
        for name in rpc_errors_dict:
            error = rpc_error(name)
            assert error.code == name.upper()
            assert len(str(error).splitlines()) == 1

    @pytest.mark.parametrize(
        ("code", "name", "kind"),
        [
            (401, "AUTH_KEY_UNREGISTERED", SignedOut),
            (401, "SESSION_REVOKED", SignedOut),
            (401, "USER_DEACTIVATED", SignedOut),
            (401, "SOMETHING_NEW", SignedOut),
            (406, "AUTH_KEY_DUPLICATED", SignedOut),
            (403, "USER_DEACTIVATED_BAN", SignedOut),
            (400, "PHONE_NUMBER_BANNED", SignedOut),
            (400, "PEER_FLOOD", AccountTrouble),
            (303, "USER_MIGRATE_4", AccountTrouble),
            (420, "FLOOD_WAIT_17", RateLimited),
            (420, "FLOOD_PREMIUM_WAIT_3", RateLimited),
            (420, "SLOWMODE_WAIT_3", RateLimited),
            (500, "RPC_CALL_FAIL", TryLater),
            (-500, "No workers running", TryLater),
            (-503, "Timeout", TryLater),
            (502, "SOMETHING_NEW", TryLater),
            (406, "CHANNEL_PRIVATE", Gone),
            (400, "CHANNEL_INVALID", Gone),
            (403, "CHAT_ADMIN_REQUIRED", Refused),
            (400, "SOMETHING\nNEW {}", Refused),
            (400, "", Refused),
        ],
    )
    def test_which_kind_of_trouble_it_is(self, code: int, name: str, kind: type[PlatformError]) -> None:
        error = rpc_error(name, code)
        assert type(error) is kind
        assert error.code and "\n" not in str(error)

    def test_a_flood_wait_says_how_long(self) -> None:
        error = rpc_error("FLOOD_WAIT_17")
        assert isinstance(error, TryLater)
        assert (error.code, error.seconds) == ("FLOOD_WAIT", 17)
        assert "17 seconds" in str(error)

    @given(st.integers(-600, 600), st.text(max_size=80))
    def test_whatever_a_server_calls_its_error(self, code: int, name: str) -> None:
        error = rpc_error(name, code)
        assert len(str(error).splitlines()) == 1


def rpc_error(name: str, code: int = 400) -> PlatformError:
    request = functions.messages.GetCommonChatsRequest(tl.InputUser(5, 12345), 0, 100)
    return translate(tl_errors.rpc_message_to_error(tl.RpcError(code, name), request), "GetCommonChats")


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("2:127.0.0.1:443", ServerAddress(2, "127.0.0.1", 443)),
            (" 4:telegram.example:8443 ", ServerAddress(4, "telegram.example", 8443)),
            ("2:[::1]:443", ServerAddress(2, "::1", 443)),
        ],
    )
    def test_a_server_address(self, text: str, address: ServerAddress) -> None:
        assert parse_server(text) == address

    @given(st.text(alphabet="0123456789:.[]abc -²٣", max_size=20))
    def test_any_other_text_is_refused_in_one_line(self, text: str) -> None:
        try:
            address = parse_server(text)
        except NotConfigured as error:
            assert error.code == "TELEGRAM_SERVER"
            assert len(str(error).splitlines()) == 1
        else:
            assert address.host and 0 < address.port < 65536

    def test_secrets_stay_out_of_sight(self) -> None:
        shown = repr(TelegramConfig(1, "a-hash", "a-session", server_key_pem="a-key"))
        assert "a-hash" not in shown and "a-session" not in shown and "a-key" not in shown

    @given(st.text(min_size=10, max_size=400))
    def test_a_garbled_session_is_a_setting_to_correct(self, session: str) -> None:
        with pytest.raises(NotConfigured) as caught:
            make_client(TelegramConfig(1, "hash", session))
        assert caught.value.code == "TELEGRAM_SESSION"
        assert session not in str(caught.value)
