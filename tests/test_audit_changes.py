"""What becomes of findings when groups change, and when an audit does not see everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection

from groupadmin.sandbox.slack.faults import Delay, SlackError
from groupadmin.sandbox.telegram.world import TelegramChat
from members.models import Category, Exclusion, Group
from tests.audit_world import (
    TINY,
    Meanwhile,
    Office,
    changes,
    channel_without_bo,
    clock_put_forward,
    findings,
    missing_bo,
    no_patience,
    tiny_office,
)

pytestmark = pytest.mark.django_db

SLACK, TELEGRAM = "--platform=slack", "--platform=telegram"
NEVER_ANSWERS = {"effect": SlackError("internal_error"), "times": None}


office = pytest.fixture(tiny_office)
pass_days = pytest.fixture(clock_put_forward)


impatient = pytest.fixture(no_patience)


class TestAGroup:
    def test_that_is_archived_leaves_the_audit_and_comes_back(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        channel.is_archived = True

        archived = office.audit(SLACK)
        channel.is_archived = False
        back = office.audit(SLACK)

        assert {line[:3] for line in changes(archived)} == {("resolved", "group archived", channel.id)}
        assert channel.id not in archived.rows()
        assert archived.run.archived_groups
        assert {line[:3] for line in changes(back)} == {("reopened", "seen again", channel.id)}

    def test_that_nobody_lets_us_see_is_a_blind_spot_and_no_good_news(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        del channel.members[office.slack_id("ada")]
        channel.members[office.slack_id("bo")] = None

        hidden = office.audit(SLACK)

        assert changes(hidden) == [("opened", "", channel.id, "not_visible", "")]
        assert missing_bo(channel) in findings(), "nobody saw that Bo joined"
        assert hidden.rows()[channel.id]["verdict"] == "not_visible"
        assert channel.name in dict(hidden.blind_spots())
        assert (hidden.state, hidden.document["summary"]["not_visible"]) == ("complete", 1)

    def test_that_can_be_seen_again(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        del channel.members[office.slack_id("ada")]
        office.audit(SLACK)
        channel.members |= dict.fromkeys([office.slack_id("ada"), office.slack_id("bo")])

        back = office.audit(SLACK)

        assert sorted(changes(back)) == [
            ("resolved", "fixed", channel.id, "missing_required", "bo"),
            ("resolved", "fixed", channel.id, "not_visible", ""),
        ]

    def test_that_has_a_new_name_is_the_same_group(self, office: Office) -> None:
        channel = channel_without_bo(office)
        channel.name = "acme-ibtc-bitsafe"
        office.audit_first(SLACK)
        channel.name = "renamed-bitsafe"

        second = office.audit(SLACK)

        assert changes(second) == [("resolved", "fixed", channel.id, "deprecated_name", "")]
        assert missing_bo(channel) in findings()
        assert second.rows()[channel.id]["name"] == "renamed-bitsafe"
        assert Group.objects.get(platform="slack", external_id=channel.id).name == "renamed-bitsafe"

    def test_whose_new_name_is_out_of_scope(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        channel.name = "somebody-elses"

        second = office.audit(SLACK)

        assert {line[:3] for line in changes(second)} == {("resolved", "group out of scope", channel.id)}
        assert channel.id not in second.rows()

    @pytest.mark.parametrize("still_listed", [True, False])
    def test_that_became_a_supergroup(self, office: Office, still_listed: bool) -> None:
        """Telegram lists the old basic group beside the new one, until we delete it from our list."""
        old = office.chat(lambda truth, chat: chat.kind == "basic" and truth.required_missing != frozenset())
        office.audit_first(TELEGRAM)
        mine = {finding[2:] for finding in findings() if finding[1] == str(old.id)}
        new = migrate(office, old)
        if not still_listed:
            office.company.telegram.part(old, office.telegram_id("ada"), banned=False)

        second = office.audit(TELEGRAM)

        ended = {line for line in changes(second) if line[0] == "resolved"}
        opened = {line for line in changes(second) if line[0] == "opened"}
        assert ended == {("resolved", "group became a supergroup", str(old.id), *finding) for finding in mine}
        assert opened == {("opened", "", str(new.id), *finding) for finding in mine}
        assert str(old.id) not in second.rows()
        assert changes(office.audit(TELEGRAM)) == []


class TestWhatPeopleDecided:
    def test_goes_on_when_a_group_becomes_a_supergroup(self, office: Office) -> None:
        old = office.chat(lambda truth, chat: chat.kind == "basic" and truth.required_missing != frozenset())
        office.audit_first(TELEGRAM)
        internal = Category.objects.get(key="internal")
        Group.objects.filter(external_id=old.id).update(category=internal, category_pinned=True)
        Exclusion.objects.create(
            platform="telegram", group_external_id=old.id, kind="hidden_history", reason="On purpose."
        )
        new = migrate(office, old)

        row = office.audit(TELEGRAM).rows()[str(new.id)]

        assert (row["category"], row["verdict"]) == ("internal", "exempt")
        assert Group.objects.get(external_id=new.id).category_pinned
        assert Exclusion.objects.get(reason="On purpose.").group_external_id == str(new.id)

    @pytest.mark.django_db(transaction=True)
    def test_while_an_audit_runs_is_not_overwritten_by_it(self, office: Office) -> None:
        channel = office.channel(lambda truth, channel: truth.category == "customer")
        office.audit_first(SLACK)
        group = Group.objects.filter(external_id=channel.id)
        intro = Category.objects.get(key="intro")

        def pin() -> None:
            group.update(category=intro, category_pinned=True)
            connection.close()  # this is a thread of the server

        office.slack.script.add("users.list", Meanwhile(pin))
        office.audit(SLACK)

        assert group.get().category == intro


class TestHistory:
    def test_a_setting_is_trusted_for_a_week(self, office: Office, pass_days: Callable[[int], None]) -> None:
        chat = office.chat(lambda truth, chat: truth.history == "visible")
        office.audit_first(TELEGRAM)
        chat.hidden_prehistory = True
        pass_days(6)

        assert "GetFullChannel" not in office.audit(TELEGRAM).calls("telegram")
        pass_days(8)
        later = office.audit(TELEGRAM)

        assert changes(later) == [("opened", "", str(chat.id), "hidden_history", "")]
        assert later.rows()[str(chat.id)]["history"] == "hidden"


@pytest.mark.usefixtures("impatient")
class TestWhatARunDidNotSee:
    def test_stays_as_it_was_where_a_persons_channels_could_not_be_read(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        channel.members[office.slack_id("bo")] = None
        bo = office.slack_id("bo")
        office.slack.script.add(
            "users.conversations", when=lambda arguments: arguments["user"] == bo, **NEVER_ANSWERS
        )

        partial = office.audit(SLACK)

        assert (partial.code, partial.state, changes(partial)) == (3, "partial", [])
        assert missing_bo(channel) in findings()
        assert partial.rows()[channel.id]["unresolved"] == ["bo"]
        assert partial.rows()[channel.id]["verdict"] == "error"

    def test_stays_as_it_was_where_the_list_of_groups_ends_early(self, office: Office) -> None:
        office.slack.page_cap = 5
        office.audit(SLACK)
        before = findings()
        for channel in office.company.slack.channels.values():
            channel.members.setdefault(office.slack_id("bo"))
        office.slack.script.add("conversations.list", skip=2, **NEVER_ANSWERS)

        partial = office.audit(SLACK)

        assert (partial.code, partial.state, changes(partial)) == (3, "partial", [])
        assert findings() == before
        assert {row["verdict"] for row in partial.rows().values()} <= {"error", "exempt"}
        assert len(partial.rows()) == TINY.slack_in_scope, "known groups are listed all the same"

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize("later", ["conversations.list", "users.list"])
    def test_is_not_told_by_halves_when_the_list_of_groups_ends_early(
        self, office: Office, later: str
    ) -> None:
        office.slack.page_cap = 5
        office.slack.script.add("conversations.list", skip=2, **NEVER_ANSWERS)
        office.slack.script.add(later, Delay(0.5))

        partial = office.audit(SLACK)

        seen = [person for row in partial.rows().values() for person in row["required_present"]]
        assert (partial.code, seen) == (3, []), "not even ourselves, whichever list came first"

    def test_is_nothing_of_the_other_platform(self, office: Office) -> None:
        office.audit_first()
        before = {finding for finding in findings() if finding[0] == "telegram"}
        for chat in office.company.telegram.chats.values():
            chat.title = "Out of scope - archived"

        office.audit(SLACK)

        assert {finding for finding in findings() if finding[0] == "telegram"} == before != set()


def migrate(office: Office, old: TelegramChat) -> TelegramChat:
    """What Telegram makes of a basic group that outgrew its kind: a supergroup with another id."""
    new = replace(
        old, id=1_700_000_001, kind="supergroup", members=dict(old.members), migrated_from=old.id, messages=[]
    )
    office.company.telegram.add_chat(new)
    old.migrated_to = new.id
    return new
