"""The invented company: the same every time, of the promised size, and with a truth that holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from typing import Any

import pytest

from groupadmin.sandbox.company import Company, Size, build_company, tricky_company, truth_of
from groupadmin.sandbox.company.tricky import IDENTITY_CHANGED
from groupadmin.sandbox.company.truth import GroupTruth

SMALL = Size(slack_in_scope=30, slack_other=20, slack_users=200, telegram_shared=40, telegram_other=8)


@pytest.fixture(scope="module")
def company() -> Company:
    """The company of the demo; nobody here changes it."""
    return build_company()


def groups_of(company: Company, platform: str) -> list[GroupTruth]:
    return [group for group in company.truth.groups.values() if group.platform == platform]


def snapshot(company: Company) -> Any:
    return (
        company.slack.users,
        company.slack.channels,
        company.telegram.users,
        company.telegram.chats,
        company.policy,
    )


class TestBuilding:
    def test_the_same_seed_builds_the_same_company(self) -> None:
        assert snapshot(build_company(SMALL, seed=3)) == snapshot(build_company(SMALL, seed=3))

    def test_another_seed_builds_another_company(self) -> None:
        assert snapshot(build_company(SMALL, seed=3)) != snapshot(build_company(SMALL, seed=4))

    def test_two_companies_share_nothing_that_can_change(self) -> None:
        first, second = build_company(SMALL), build_company(SMALL)
        first.slack.users[first.identities.slack_account].real_name = "Changed Example"
        first.policy["employees"].clear()
        assert snapshot(second) == snapshot(build_company(SMALL))

    @pytest.mark.parametrize("groups", [1, 2, 7, 60, 5_000])
    def test_any_size_can_be_built(self, groups: int) -> None:
        assert len(build_company(Size.of(groups)).truth.groups) == groups

    def test_members_per_group_are_kept_on_average(self) -> None:
        company = build_company(Size.of(100, members_per_group=300))
        sizes = [group.total_members for group in company.truth.groups.values()]
        assert 250 < sum(sizes) / len(sizes) < 350


class TestDefaultCompany:
    def test_has_the_promised_numbers(self, company: Company) -> None:
        assert len(groups_of(company, "slack")) == 118
        assert len(groups_of(company, "telegram")) == 410
        assert len(company.slack.channels) == 118 + 140
        assert len(company.slack.users) == 900

    def test_policy_is_plain_json_with_the_documented_keys(self, company: Company) -> None:
        assert json.loads(json.dumps(company.policy)) == company.policy
        assert list(company.policy) == [
            "employees",
            "teams",
            "categories",
            "rules",
            "scope",
            "naming",
            "exclusions",
        ]

    def test_every_category_has_several_groups_on_both_platforms(self, company: Company) -> None:
        counts = Counter((group.platform, group.category) for group in company.truth.groups.values())
        categories = [category["key"] for category in company.policy["categories"]]
        assert all(
            counts[platform, category] >= 2 for platform in ("slack", "telegram") for category in categories
        )

    def test_groups_fall_into_the_category_that_their_name_was_made_for(self, company: Company) -> None:
        odd = [
            group.name
            for group in company.truth.groups.values()
            if group.category == "customer"
            and re.search(r"intro|market|internal|commun|desk", group.name, re.I)
        ]
        assert odd == []

    def test_a_name_of_two_categories_belongs_to_the_first(self, company: Company) -> None:
        [group] = [group for group in company.truth.groups.values() if "Shouting" in group.name]
        assert "Marketing" in group.name
        assert group.category == "intro"

    def test_coverage_is_believable(self, company: Company) -> None:
        verdicts = Counter(group.verdict for group in company.truth.groups.values())
        assert 0.7 < verdicts["complete"] / (verdicts["complete"] + verdicts["incomplete"]) < 0.85

    def test_most_people_of_the_core_team_are_missing_somewhere(self, company: Company) -> None:
        missing = {person for _, _, person in company.truth.missing}
        assert missing >= {"bo", "cy", "di", "eve", "fay", "gus", "hal"}
        assert missing.isdisjoint({"ivy", "jo", "kim", "lou"})

    def test_two_slack_channels_have_more_than_500_members(self, company: Company) -> None:
        assert sum(len(channel.members) > 500 for channel in company.slack.channels.values()) == 2

    def test_an_audit_needs_at_most_30_slack_calls(self, company: Company) -> None:
        page = 200
        world, account = company.slack, company.identities.slack_account
        visible = [one for one in world.channels.values() if not one.is_private or account in one.members]
        calls = 1 + pages(len(world.users), page) + 2 * pages(len(visible), page)  # an empty page before each
        for user in company.identities.slack.values():
            if user != account:
                calls += pages(sum(user in channel.members for channel in visible), page)
        assert calls <= 30

    def test_an_audit_needs_at_most_60_telegram_calls(self, company: Company) -> None:
        page = 100
        account = company.telegram_account_id
        dialogs = [chat for chat in company.telegram.chats.values() if account in chat.members]
        others = [user for user in company.identities.telegram.values() if user != account]
        hidden = [chat for chat in dialogs if chat.members_hidden]
        calls = 1 + pages(len(dialogs), page) + len(others)  # every username resolved once
        for user in others:
            calls += pages(sum(user in chat.members for chat in dialogs), page)
        calls += len(hidden)  # at least one look at each group that hides its members
        assert calls <= 60

    def test_names_that_break_careless_code_are_there(self, company: Company) -> None:
        names = "\n".join(group.name for group in company.truth.groups.values())
        assert "\N{ROCKET}" in names
        assert "\x07" in names
        assert "\n=1+1" in f"\n{names}"
        assert re.search("[\u0600-\u06ff]", names)

    def test_two_in_five_telegram_groups_carry_the_old_name(self, company: Company) -> None:
        old = [group for group in groups_of(company, "telegram") if "deprecated_name" in group.flags]
        assert len(old) == pytest.approx(0.4 * 410, rel=0.1)

    def test_usernames_differ_from_the_policy_in_case_only(self, company: Company) -> None:
        assert written(company, "di")["slack_username"] == "Di"
        assert company.staff["di"].slack_account.name == "di"
        assert written(company, "eve")["telegram_username"] == "nonfungibleeve"
        assert company.staff["eve"].telegram_account.usernames == ["NonFungibleEve"]

    def test_names_are_invented(self, company: Company) -> None:
        emails = [user.email for user in company.slack.users.values() if user.email]
        assert all(email.endswith("example.com") for email in emails)
        phones = [user.phone for user in company.telegram.users.values() if user.phone]
        assert phones
        assert all(phone.startswith("9990") for phone in phones)


def pages(items: int, size: int) -> int:
    return max(1, -(-items // size))


class TestTruth:
    """Spot checks against the worlds, each written by hand from the contract."""

    def test_slack_lists_are_the_memberships(self, company: Company) -> None:
        ids = company.identities.slack
        required = {"ada", "bo", "cy", "di", "eve", "fay", "gus", "hal"}
        for group in groups_of(company, "slack"):
            members = company.slack.channels[group.id].members
            expected = {person for person in required - group.excluded if ids[person] in members}
            assert group.required_present == expected
            assert group.required_missing == required - expected - group.excluded
            assert group.optional_present | group.optional_missing == {"ivy"}

    def test_telegram_asks_for_the_core_team_and_in_special_groups_for_the_crew(
        self, company: Company
    ) -> None:
        core, crew = {"ada", "bo", "cy", "di", "eve"}, {"fay", "gus", "hal"}
        for group in groups_of(company, "telegram"):
            required = group.required_present | group.required_missing
            expected = core | crew if group.category == "special" else core
            assert required == expected - group.excluded

    def test_anchor_and_account_are_in_every_telegram_group(self, company: Company) -> None:
        assert all({"ada", "cy"} <= group.required_present for group in groups_of(company, "telegram"))

    def test_people_under_review_and_offboarded_are_in_no_list(self, company: Company) -> None:
        for group in company.truth.groups.values():
            listed = (
                group.required_present
                | group.required_missing
                | group.optional_present
                | group.optional_missing
            )
            assert listed.isdisjoint({"jo", "kim", "lou"} | group.excluded)

    def test_exclusions_that_expired_change_nothing(self, company: Company) -> None:
        [expired] = [line for line in company.policy["exclusions"] if line["expires"] == "2020-01-31"]
        group = company.truth.groups[expired["platform"], expired["group"]]
        assert expired["employee"] in group.required_missing

    def test_an_exclusion_holds_through_its_last_day(self, company: Company) -> None:
        [line] = [line for line in company.policy["exclusions"] if line["employee"] == "gus"]
        key = ("slack", line["group"])
        arguments = (company.slack, company.telegram, company.policy, company.identities)
        assert "gus" in truth_of(*arguments, today=date(2099, 12, 31)).groups[key].excluded
        assert "gus" in truth_of(*arguments, today=date(2100, 1, 1)).groups[key].required_present

    def test_excluded_people_leave_the_completeness(self, company: Company) -> None:
        [group] = [group for group in groups_of(company, "slack") if "gus" in group.excluded]
        assert group.completeness.endswith(f"/{8 - len(group.excluded)}")

    def test_verdicts(self, company: Company) -> None:
        for group in company.truth.groups.values():
            if group.category in ("customer", "special"):
                assert group.verdict == ("incomplete" if group.required_missing else "complete")
            else:
                assert group.verdict == "exempt"

    def test_a_public_channel_is_audited_although_the_account_is_not_in_it(self, company: Company) -> None:
        public = [group for group in groups_of(company, "slack") if "public_channel" in group.flags]
        assert len(public) == 2
        assert sorted("ada" in group.required_missing for group in public) == [False, True]

    def test_what_never_counts_as_a_group_is_not_listed(self, company: Company) -> None:
        listed = {int(group.id) for group in groups_of(company, "telegram")}
        chats = company.telegram.chats.values()
        never = [
            chat
            for chat in chats
            if chat.kind == "broadcast" or chat.migrated_to or "archived" in chat.title.lower()
        ]
        assert {chat.kind for chat in never} == {"basic", "broadcast", "supergroup"}
        assert listed.isdisjoint(chat.id for chat in never)
        assert not any(company.slack.channels[group.id].is_archived for group in groups_of(company, "slack"))

    def test_groups_out_of_sight_are_known_as_such(self, company: Company) -> None:
        assert Counter(platform for platform, _ in company.truth.unseeable) == {"slack": 3, "telegram": 3}
        assert company.truth.unseeable.isdisjoint(company.truth.groups)

    def test_every_admin_status_occurs(self, company: Company) -> None:
        statuses = Counter(group.admin_status for group in groups_of(company, "telegram"))
        assert statuses.keys() == {"owner", "admin_can_rename", "admin", "member"}
        assert len(company.truth.no_admin_right) == statuses["member"]

    def test_history_is_known_for_supergroups_alone(self, company: Company) -> None:
        for group in groups_of(company, "telegram"):
            chat = company.telegram.chats[int(group.id)]
            expected = {False: "visible", True: "hidden"}[chat.hidden_prehistory]
            assert group.history == (expected if chat.kind == "supergroup" else "n/a")
            assert ("hidden_history" in group.flags) is (group.history == "hidden")

    def test_departed_staff_are_found_on_telegram_alone(self, company: Company) -> None:
        departed = company.truth.departed_present
        assert {(platform, person) for platform, _, person in departed} == {("telegram", "kim")}
        assert len(departed) >= 10

    def test_a_group_that_hides_its_members_lacks_somebody(self, company: Company) -> None:
        groups = [
            company.truth.groups["telegram", str(c.id)]
            for c in company.telegram.chats.values()
            if c.members_hidden
        ]
        assert all(group.admin_status == "member" and group.total_members >= 100 for group in groups)
        assert [len(group.required_missing) for group in groups] == [1]

    def test_truth_follows_the_world(self) -> None:
        company = build_company(SMALL)
        platform, group_id, person = sorted(company.truth.missing)[0]
        company.slack.channels[group_id].members[company.staff[person].slack_account.id] = None
        assert (platform, group_id, person) not in company.truth_now().missing
        assert (platform, group_id, person) in company.truth.missing

    def test_as_json_speaks_the_language_of_the_audit(self, company: Company) -> None:
        rows = json.loads(json.dumps(company.truth.as_json()))["groups"]
        assert len(rows) == 528
        assert {"verdict", "completeness", "required_missing", "flags", "admin_status"} <= rows[0].keys()


@pytest.fixture(scope="module")
def tricky() -> Company:
    return tricky_company()


def written(company: Company, key: str) -> dict[str, Any]:
    """What the policy file says of an employee."""
    return next(row for row in company.policy["employees"] if row["key"] == key)


class TestTrickyCompany:
    def test_every_trap_is_absent_somewhere_and_present_elsewhere(self, tricky: Company) -> None:
        traps = set(list(tricky.staff)[12:]) - {"nobody-has-it"}
        assert len(traps) == 9
        for platform in ("slack", "telegram"):
            groups = groups_of(tricky, platform)
            assert traps <= set().union(*(group.required_missing for group in groups))
            assert traps <= set().union(*(group.required_present for group in groups))

    def test_nobody_has_the_handle(self, tricky: Company) -> None:
        row = written(tricky, "nobody-has-it")
        assert row["slack_username"] not in {user.name for user in tricky.slack.users.values()}
        assert tricky.telegram.find_username(row["telegram_username"]) is None
        assert tricky.truth.unresolved == {("slack", "nobody-has-it"), ("telegram", "nobody-has-it")}
        assert all("nobody-has-it" not in group.required_missing for group in tricky.truth.groups.values())

    def test_the_handle_belongs_to_somebody_else_and_the_id_is_named(self, tricky: Company) -> None:
        row, member = written(tricky, "handle-taken"), tricky.staff["handle-taken"]
        assert row["slack_user_id"] == member.slack_account.id
        assert row["telegram_user_id"] == member.telegram_account.id
        holder = tricky.telegram.find_username(row["telegram_username"])
        assert holder is not None
        assert holder.id != member.telegram_account.id
        [slack_holder] = [user for user in tricky.slack.users.values() if user.name == row["slack_username"]]
        assert slack_holder.id != member.slack_account.id

    def test_the_handle_has_changed_and_the_id_is_named(self, tricky: Company) -> None:
        row = written(tricky, "handle-changed")
        assert row["slack_username"] not in {user.name for user in tricky.slack.users.values()}
        assert tricky.telegram.find_username(row["telegram_username"]) is None
        assert "handle-changed" in IDENTITY_CHANGED

    def test_only_the_id_is_known(self, tricky: Company) -> None:
        row = written(tricky, "id-only")
        assert row["slack_username"] is None
        assert row["telegram_username"] is None
        assert tricky.staff["id-only"].telegram_account.usernames == []

    @pytest.mark.parametrize("key", ["equal-name", "bot-namesake", "handle-taken"])
    def test_lookalikes_are_where_the_employee_is_not(self, tricky: Company, key: str) -> None:
        member = tricky.staff[key]
        for channel in tricky.slack.channels.values():
            present = member.slack_account.id in channel.members
            assert all((user.id in channel.members) is not present for user in member.slack_lookalikes)

    def test_a_deactivated_account_has_the_same_username(self, tricky: Company) -> None:
        username = written(tricky, "old-account-too")["slack_username"]
        accounts = [user for user in tricky.slack.users.values() if user.name == username]
        assert sorted(user.deleted for user in accounts) == [False, True]

    def test_the_address_alone_leads_to_the_account(self, tricky: Company) -> None:
        row = written(tricky, "email-only")
        [user] = [user for user in tricky.slack.users.values() if user.email == row["email"].lower()]
        assert user is tricky.staff["email-only"].slack
        assert row["slack_username"] is None

    def test_a_colleague_from_another_workspace_is_known_by_id(self, tricky: Company) -> None:
        account = tricky.staff["slack-connect"].slack_account
        assert account.team_id != tricky.staff["ada"].slack_account.team_id
        assert written(tricky, "slack-connect")["slack_user_id"] == account.id
