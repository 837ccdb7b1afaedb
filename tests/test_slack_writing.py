"""The Slack writer removes, renames and posts, and says of each target how it ended. Over HTTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.slack.faults import SlackError
from members.platforms.errors import Refused
from members.platforms.outcomes import Outcome
from members.platforms.slack_names import channel_name
from tests.sandboxes import empty_slack
from tests.slack_writing import (
    ADA,
    ARCHIVED,
    BOB,
    GENERAL,
    GONE,
    HIDDEN,
    KICK,
    NEW,
    POST,
    PRIVATE,
    PUBLIC,
    RENAME,
    TinySlack,
    channel,
    clean,
    effects,
    person,
    writer,
)

server = pytest.fixture(empty_slack, scope="module")
sandbox = pytest.fixture(clean)


class TestRemoving:
    async def test_somebody_is_removed_once(self, sandbox: SlackSandbox) -> None:
        async with writer(sandbox.api_url) as slack:
            assert (await slack.remove(channel(), person(BOB))).outcome is Outcome.DONE
            assert (await slack.remove(channel(), person(BOB))).outcome is Outcome.ALREADY_GONE
        assert effects(sandbox) == [(KICK, PRIVATE, BOB)]

    async def test_not_in_channel_may_mean_ourselves(self, sandbox: SlackSandbox) -> None:
        async with writer(sandbox.api_url) as slack:
            assert (await slack.remove(channel(PUBLIC), person(BOB))).outcome is Outcome.NOT_IN_GROUP
            assert (await slack.remove(channel(PUBLIC), person(NEW))).outcome is Outcome.ALREADY_GONE
            sandbox.script.add("conversations.members", SlackError("channel_not_found"))
            assert (await slack.remove(channel(PUBLIC), person(NEW))).outcome is Outcome.NOT_IN_GROUP

    @pytest.mark.parametrize(
        ("channel_id", "user_id", "outcome"),
        [
            (HIDDEN, BOB, Outcome.GROUP_NOT_FOUND),
            (PRIVATE, "U0NOBODY", Outcome.PERSON_NOT_FOUND),
            (PRIVATE, ADA, Outcome.REFUSED),
            (GENERAL, BOB, Outcome.REFUSED),
            (ARCHIVED, BOB, Outcome.REFUSED),
        ],
    )
    async def test_refusals(
        self, sandbox: SlackSandbox, channel_id: str, user_id: str, outcome: Outcome
    ) -> None:
        async with writer(sandbox.api_url) as slack:
            reply = await slack.remove(channel(channel_id), person(user_id))
        assert reply.outcome is outcome and reply.message
        assert effects(sandbox) == []

    async def test_a_workspace_may_leave_it_to_admins(self, sandbox: SlackSandbox) -> None:
        sandbox.world.only_admins_kick = True
        async with writer(sandbox.api_url) as slack:
            reply = await slack.remove(channel(), person(BOB))
        assert reply.outcome is Outcome.ADMIN_RIGHTS_NEEDED
        assert "workspace admin" in reply.message


class TestRenaming:
    async def test_the_name_is_put_as_slack_wants_it(self, sandbox: SlackSandbox) -> None:
        async with writer(sandbox.api_url) as slack:
            reply, name = await slack.rename(channel(), "Acme  BitSafe (CBTC)")
        assert reply.outcome is Outcome.DONE
        assert name == sandbox.world.channels[PRIVATE].name == "acme-bitsafe-cbtc"

    async def test_the_name_that_counts_is_the_one_that_came_back(self) -> None:
        slack = TinySlack(conversations_rename=lambda form: {"channel": {"id": PRIVATE, "name": "tidied"}})
        async with slack.serving() as url, writer(url) as adapter:
            assert (await adapter.rename(channel(), "Wish"))[1] == "tidied"
        assert slack.arrived == [(RENAME, {"channel": PRIVATE, "name": "wish"})]

    @pytest.mark.parametrize(
        ("channel_id", "name", "outcome"),
        [
            (PRIVATE, "lounge", Outcome.REFUSED),
            (PRIVATE, "!?", Outcome.REFUSED),
            (GENERAL, "new", Outcome.ADMIN_RIGHTS_NEEDED),
            (PUBLIC, "new", Outcome.NOT_IN_GROUP),
            (ARCHIVED, "new", Outcome.ARCHIVED),
            (HIDDEN, "new", Outcome.GROUP_NOT_FOUND),
        ],
    )
    async def test_a_refusal_leaves_the_name(
        self, sandbox: SlackSandbox, channel_id: str, name: str, outcome: Outcome
    ) -> None:
        async with writer(sandbox.api_url) as slack:
            reply, name_now = await slack.rename(channel(channel_id), name)
        assert reply.outcome is outcome and reply.message
        assert name_now == channel(channel_id).name
        assert effects(sandbox) == []

    @pytest.mark.parametrize(
        ("wish", "name"),
        [
            ("acme-iBTC", "acme-ibtc"),
            (" Acme / BitSafe  (CBTC) ", "acme-bitsafe-cbtc"),
            ("a - b", "a-b"),
            ("a--b_c", "a--b_c"),
            ("Großes 日本 हिन्दी", "großes-日本-हिन्दी"),
            ("Cafe\N{COMBINING ACUTE ACCENT}", "café"),
            ("party \N{PARTY POPPER} time", "party-time"),
            ("x" * 79 + " yz", "x" * 79),
            ("-_-", ""),
            ("", ""),
        ],
    )
    def test_names(self, wish: str, name: str) -> None:
        assert channel_name(wish) == name

    @given(st.text(max_size=120))
    def test_a_tidy_name_stays_as_it_is(self, wish: str) -> None:
        name = channel_name(wish)
        assert channel_name(name) == name == name.lower()
        assert len(name) <= 80 and not set(name) & set(" \n\t.,/()&")


class TestPosting:
    async def test_into_a_channel(self, sandbox: SlackSandbox) -> None:
        async with writer(sandbox.api_url) as slack:
            assert (await slack.post(PRIVATE, "Grüße 🎉")).outcome is Outcome.DONE
            assert (await slack.send(channel(), "twice")).outcome is Outcome.DONE
        assert effects(sandbox) == [(POST, PRIVATE, "Grüße 🎉"), (POST, PRIVATE, "twice")]

    async def test_to_a_person(self, sandbox: SlackSandbox) -> None:
        async with writer(sandbox.api_url) as slack:
            assert (await slack.send(person(BOB), "hello")).outcome is Outcome.DONE
        direct = next(each for each in sandbox.world.channels.values() if each.is_im)
        assert set(direct.members) == {ADA, BOB}
        assert [message["text"] for message in direct.messages] == ["hello"]

    async def test_a_name_with_markup_calls_nobody(self, sandbox: SlackSandbox) -> None:
        async with writer(sandbox.api_url) as slack:
            await slack.post(PRIVATE, "<!channel> R&D\ud800")
        (message,) = sandbox.world.channels[PRIVATE].messages
        assert message["text"] == "&lt;!channel&gt; R&amp;D?"

    @pytest.mark.parametrize(
        ("channel_id", "text", "outcome"),
        [
            (PUBLIC, "x", Outcome.NOT_IN_GROUP),
            (ARCHIVED, "x", Outcome.ARCHIVED),
            ("C0NONE", "x", Outcome.GROUP_NOT_FOUND),
            (PRIVATE, "", Outcome.REFUSED),
        ],
    )
    async def test_refusals(
        self, sandbox: SlackSandbox, channel_id: str, text: str, outcome: Outcome
    ) -> None:
        async with writer(sandbox.api_url) as slack:
            reply = await slack.post(channel_id, text)
        assert reply.outcome is outcome and reply.message

    @pytest.mark.parametrize("user_id", [GONE, "U0NOBODY"])
    async def test_somebody_who_cannot_be_written_to(self, sandbox: SlackSandbox, user_id: str) -> None:
        async with writer(sandbox.api_url) as slack:
            reply = await slack.send(person(user_id), "hello")
        assert reply.outcome is Outcome.PERSON_NOT_FOUND and reply.message
        assert effects(sandbox) == []

    async def test_a_conversation_without_an_id_is_no_place_to_write(self) -> None:
        slack = TinySlack(conversations_open=lambda form: {"channel": {}})
        async with slack.serving() as url, writer(url) as adapter:
            with pytest.raises(Refused) as raised:
                await adapter.send(person(BOB), "hello")
        assert raised.value.code == "bad_answer"
        assert slack.arrived == [("conversations.open", {"users": BOB})]
