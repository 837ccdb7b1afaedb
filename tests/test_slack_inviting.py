"""The Slack writer invites, and says of everybody how it ended. Over HTTP."""

from __future__ import annotations

import pytest

from groupadmin.sandbox.slack import SlackSandbox, SlackUser
from groupadmin.sandbox.slack.faults import SlackError
from members.platforms.outcomes import Outcome
from members.platforms.types import PlatformGroup
from members.platforms.writing import PlatformWriter
from tests.sandboxes import empty_slack
from tests.slack_writing import (
    ADA,
    ARCHIVED,
    BOB,
    GONE,
    GUEST,
    HIDDEN,
    INVITE,
    JOIN,
    NEW,
    NEWER,
    NEWEST,
    PRIVATE,
    PUBLIC,
    STRANGER,
    TIED_GUEST,
    Silent,
    TinySlack,
    WithoutForce,
    channel,
    clean,
    effects,
    outcomes,
    people,
    writer,
)

server = pytest.fixture(empty_slack, scope="module")
sandbox = pytest.fixture(clean)


async def invite(
    sandbox: SlackSandbox, *user_ids: str, into: PlatformGroup | None = None
) -> dict[str, Outcome]:
    """The outcomes of one invitation, each of which a person can read."""
    async with writer(sandbox.api_url) as slack:
        adapter: PlatformWriter = slack
        replies = await adapter.invite(into or channel(), people(*user_ids))
    assert all(reply.success or reply.message for reply in replies.values())
    return outcomes(replies)


class TestInviting:
    async def test_several_people_come_with_one_call(self, sandbox: SlackSandbox) -> None:
        assert await invite(sandbox, NEW, NEWER) == {NEW: Outcome.DONE, NEWER: Outcome.DONE}
        assert effects(sandbox) == [(INVITE, PRIVATE, NEW), (INVITE, PRIVATE, NEWER)]
        assert sandbox.calls.counts() == {INVITE: 1}

    async def test_each_person_gets_an_answer_of_their_own(self, sandbox: SlackSandbox) -> None:
        invited = (NEW, BOB, ADA, GONE, GUEST, TIED_GUEST, STRANGER, "U0NOBODY", NEWER)
        assert await invite(sandbox, *invited) == {
            NEW: Outcome.DONE,
            NEWER: Outcome.DONE,
            BOB: Outcome.ALREADY_THERE,
            ADA: Outcome.CANNOT_INVITE_SELF,
            GONE: Outcome.USER_RESTRICTED,
            STRANGER: Outcome.USER_RESTRICTED,
            GUEST: Outcome.USER_RESTRICTED,
            TIED_GUEST: Outcome.TOO_MANY_CHANNELS,
            "U0NOBODY": Outcome.PERSON_NOT_FOUND,
        }
        assert sandbox.calls.counts() == {INVITE: 1}

    async def test_somebody_named_twice_is_invited_once(self, sandbox: SlackSandbox) -> None:
        assert await invite(sandbox, NEW, NEW) == {NEW: Outcome.DONE}
        assert effects(sandbox) == [(INVITE, PRIVATE, NEW)]

    async def test_nobody_is_no_call(self, sandbox: SlackSandbox) -> None:
        assert await invite(sandbox) == {}
        assert sandbox.calls.total == 0

    async def test_a_hundred_come_with_one_call_and_more_are_never_sent(self, sandbox: SlackSandbox) -> None:
        crowd = [f"U1{number:03}" for number in range(101)]
        for user_id in crowd:
            sandbox.world.add_user(SlackUser(user_id, user_id.lower(), "Crowd Example"))
        with pytest.raises(ValueError, match="at most 100"):
            await invite(sandbox, *crowd)
        assert sandbox.calls.total == 0

        assert set((await invite(sandbox, *crowd[:100])).values()) == {Outcome.DONE}
        assert sandbox.calls.counts() == {INVITE: 1}

    @pytest.mark.parametrize(
        ("channel_id", "outcome"),
        [
            (ARCHIVED, Outcome.ARCHIVED),
            (HIDDEN, Outcome.GROUP_NOT_FOUND),
            ("C0NONE", Outcome.GROUP_NOT_FOUND),
        ],
    )
    async def test_what_is_wrong_with_the_channel_is_everybodys_answer(
        self, sandbox: SlackSandbox, channel_id: str, outcome: Outcome
    ) -> None:
        assert await invite(sandbox, NEW, NEWER, into=channel(channel_id)) == {NEW: outcome, NEWER: outcome}
        assert sandbox.calls.counts() == {INVITE: 1}

    @pytest.mark.parametrize(
        ("word", "outcome"),
        [
            ("already_in_channel", Outcome.ALREADY_THERE),
            ("app_cannot_join_channel", Outcome.USER_RESTRICTED),
            ("cant_invite", Outcome.USER_RESTRICTED),
            ("cant_invite_self", Outcome.CANNOT_INVITE_SELF),
            ("channel_not_found", Outcome.GROUP_NOT_FOUND),
            ("external_channel_migrating", Outcome.REFUSED),
            ("invitee_cant_see_channel", Outcome.ADMIN_RIGHTS_NEEDED),
            ("is_archived", Outcome.ARCHIVED),
            ("method_not_supported_for_channel_type", Outcome.REFUSED),
            ("no_external_invite_permission", Outcome.ADMIN_RIGHTS_NEEDED),
            ("no_permission", Outcome.ADMIN_RIGHTS_NEEDED),
            ("not_in_channel", Outcome.NOT_IN_GROUP),
            ("org_user_not_in_team", Outcome.ADMIN_RIGHTS_NEEDED),
            ("restricted_action", Outcome.ADMIN_RIGHTS_NEEDED),
            ("ura_max_channels", Outcome.TOO_MANY_CHANNELS),
            ("user_is_restricted", Outcome.USER_RESTRICTED),
            ("user_is_ultra_restricted", Outcome.USER_RESTRICTED),
            ("user_not_found", Outcome.PERSON_NOT_FOUND),
        ],
    )
    async def test_slacks_words_have_outcomes(
        self, sandbox: SlackSandbox, word: str, outcome: Outcome
    ) -> None:
        sandbox.script.add(INVITE, SlackError(word))
        assert await invite(sandbox, NEW) == {NEW: outcome}
        assert effects(sandbox) == []

    async def test_a_new_word_of_slacks_is_passed_on(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, SlackError("moon_in_wrong_phase"))
        async with writer(sandbox.api_url) as slack:
            reply = (await slack.invite(channel(), people(NEW)))[NEW]
        assert reply.outcome is Outcome.REFUSED
        assert "moon_in_wrong_phase" in reply.message

    async def test_the_call_is_a_form_as_slack_documents_it(self) -> None:
        slack = TinySlack(conversations_invite=lambda form: {"channel": {"id": PRIVATE}})
        async with slack.serving() as url, writer(url) as adapter:
            await adapter.invite(channel(), people(NEW, NEWER))
            await adapter.invite(channel(), people(NEWEST))
        assert slack.arrived == [
            (INVITE, {"channel": PRIVATE, "users": f"{NEW},{NEWER}", "force": "true"}),
            (INVITE, {"channel": PRIVATE, "users": NEWEST}),
        ]
        assert {request.method for request in slack.requests} == {"POST"}
        assert not any(request.query_string for request in slack.requests)


class TestJoiningFirst:
    async def test_a_public_channel_is_joined_and_then_filled(self, sandbox: SlackSandbox) -> None:
        assert await invite(sandbox, NEW, NEWER, into=channel(PUBLIC)) == {
            NEW: Outcome.DONE,
            NEWER: Outcome.DONE,
        }
        assert effects(sandbox) == [(JOIN, PUBLIC, ADA), (INVITE, PUBLIC, NEW), (INVITE, PUBLIC, NEWER)]

    async def test_a_private_channel_cannot_be_joined(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, SlackError("not_in_channel"))
        assert await invite(sandbox, NEW) == {NEW: Outcome.NOT_IN_GROUP}
        assert sandbox.calls.counts() == {INVITE: 1}

    async def test_joining_is_tried_once(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, SlackError("not_in_channel"), times=None)
        assert await invite(sandbox, NEW, into=channel(PUBLIC)) == {NEW: Outcome.NOT_IN_GROUP}
        assert sandbox.calls.counts() == {INVITE: 2, JOIN: 1}

    @pytest.mark.parametrize(
        ("word", "outcome"),
        [
            ("too_many_members", Outcome.REFUSED),
            ("channel_is_limited_access", Outcome.ADMIN_RIGHTS_NEEDED),
            ("some_new_word", Outcome.NOT_IN_GROUP),
        ],
    )
    async def test_why_it_could_not_be_joined_is_the_answer(
        self, sandbox: SlackSandbox, word: str, outcome: Outcome
    ) -> None:
        sandbox.script.add(JOIN, SlackError(word))
        answer = await invite(sandbox, NEW, NEWER, into=channel(PUBLIC))
        assert answer == {NEW: outcome, NEWER: outcome}
        assert sandbox.calls.counts() == {INVITE: 1, JOIN: 1}


MIXED = {
    NEW: Outcome.DONE,
    BOB: Outcome.ALREADY_THERE,
    GUEST: Outcome.USER_RESTRICTED,
    NEWER: Outcome.DONE,
}


class TestServersThatTellLess:
    """Whatever a server makes of `force`, everybody gets their own answer and nobody is invited twice."""

    async def test_without_force_those_who_were_not_named_are_invited_together(
        self, sandbox: SlackSandbox
    ) -> None:
        sandbox.script.add(INVITE, WithoutForce(tells=True), times=None)
        assert await invite(sandbox, *MIXED) == MIXED
        assert effects(sandbox) == [(INVITE, PRIVATE, NEW), (INVITE, PRIVATE, NEWER)]
        assert sandbox.calls.counts() == {INVITE: 2, "conversations.members": 1}

    async def test_when_nobody_is_named_each_is_asked_for_alone(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, WithoutForce(tells=False), times=None)
        assert await invite(sandbox, *MIXED) == MIXED
        assert effects(sandbox) == [(INVITE, PRIVATE, NEW), (INVITE, PRIVATE, NEWER)]
        # Bob is on the member list, and Slack's word was that somebody is there already
        assert sandbox.calls.counts() == {INVITE: 4, "conversations.members": 1}

    async def test_an_error_although_the_others_came(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, Silent(), times=None)
        assert await invite(sandbox, GUEST, NEW, NEWER) == {
            GUEST: Outcome.USER_RESTRICTED,
            NEW: Outcome.DONE,
            NEWER: Outcome.DONE,
        }
        assert effects(sandbox) == [(INVITE, PRIVATE, NEW), (INVITE, PRIVATE, NEWER)]
        assert sandbox.calls.counts() == {INVITE: 2, "conversations.members": 1}

    async def test_a_deactivated_person_stops_nobody(self, sandbox: SlackSandbox) -> None:
        """Slack's documented exception: the call fails, and the others are invited."""
        sandbox.script.add(INVITE, WithoutForce(tells=True))
        assert await invite(sandbox, GONE, NEW) == {GONE: Outcome.USER_RESTRICTED, NEW: Outcome.DONE}
        assert sandbox.calls.counts() == {INVITE: 1, "conversations.members": 1}

    async def test_a_member_list_out_of_sight_stops_nobody(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, Silent(), times=None)
        sandbox.script.add("conversations.members", SlackError("channel_not_found"))
        assert await invite(sandbox, GUEST, NEW) == {
            GUEST: Outcome.USER_RESTRICTED,
            NEW: Outcome.ALREADY_THERE,  # so Slack says when asked about them alone
        }

    async def test_a_server_that_names_one_person_a_call_is_finite(self, sandbox: SlackSandbox) -> None:
        def first_only(form: dict[str, str]) -> dict[str, object]:
            first = form["users"].split(",")[0]
            error = {"user": first, "ok": False, "error": "cant_invite"}
            return {"ok": False, "error": "cant_invite", "errors": [error]}

        slack = TinySlack(
            conversations_invite=first_only,
            conversations_members=lambda form: {"members": [ADA]},
        )
        async with slack.serving() as url, writer(url) as adapter:
            replies = await adapter.invite(channel(), people(NEW, NEWER, NEWEST))
        assert set(outcomes(replies).values()) == {Outcome.USER_RESTRICTED}
        assert slack.counts() == {INVITE: 3, "conversations.members": 2}

    @pytest.mark.parametrize("errors", [None, {}, "x", [1, {}, {"user": 7}, {"user": NEW}]])
    async def test_odd_details_hide_nobody(self, errors: object) -> None:
        slack = TinySlack(
            conversations_invite=lambda form: {"ok": False, "error": "no_permission", "errors": errors}
        )
        async with slack.serving() as url, writer(url) as adapter:
            (reply,) = (await adapter.invite(channel(), people(NEW))).values()
        assert not reply.success
