"""How an earlier finding stands after a run: absence counts only when it was proven."""

from __future__ import annotations

from datetime import date

from audits.engine import Evaluation
from audits.lifecycle import Sight
from audits.observation import PersonSeen
from audits.rows import FindingKey
from audits.sight import Judge
from members.platforms.types import GroupDetails, History
from members.policy import EmployeeStatus, Exclusion, FindingKind, Level, Rule
from tests.worlds import SLACK, TELEGRAM, channel, in_groups, judge, person, policy, seen, supergroup

ADA, BOB = person("ada"), person("bob")
BOB_MISSING = FindingKey(SLACK, "C1", FindingKind.MISSING_REQUIRED, "bob")
NAME = FindingKey(SLACK, "C1", FindingKind.DEPRECATED_NAME)


def sight(evaluation: Evaluation, key: FindingKey) -> tuple[Sight, str]:
    return Judge(evaluation).sight(key)


class TestMissingPerson:
    def test_still_missing(self) -> None:
        assert sight(judge(policy(BOB), seen([channel("C1")], in_groups("bob"))), BOB_MISSING) == (
            Sight.PRESENT,
            "",
        )

    def test_joined(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1")], in_groups("bob", "C1")))
        assert sight(evaluation, BOB_MISSING) == (Sight.ABSENT, "")

    def test_their_list_was_cut_short(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1")], in_groups("bob", unread="Slack is down.")))
        assert sight(evaluation, BOB_MISSING) == (Sight.UNSEEN, "")

    def test_their_identity_got_lost(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1")], PersonSeen("bob", unresolved="No such user.")))
        assert sight(evaluation, BOB_MISSING) == (Sight.UNSEEN, "")

    def test_the_group_is_out_of_sight(self) -> None:
        assert sight(judge(policy(BOB), seen([], in_groups("bob"))), BOB_MISSING) == (Sight.UNSEEN, "")

    def test_the_listing_was_cut_short_before_the_group(self) -> None:
        evaluation = judge(policy(BOB), seen([], in_groups("bob"), complete=False))
        assert sight(evaluation, BOB_MISSING) == (Sight.UNSEEN, "")

    def test_the_group_vanished_during_the_run(self) -> None:
        evaluation = judge(policy(BOB), seen([], in_groups("bob"), vanished={"C1": channel("C1")}))
        assert sight(evaluation, BOB_MISSING) == (Sight.UNSEEN, "")

    def test_the_group_was_archived(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1", archived=True)], in_groups("bob")))
        assert sight(evaluation, BOB_MISSING) == (Sight.VOID, "group archived")

    def test_the_group_left_the_scope(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1", "other")], in_groups("bob")))
        assert sight(evaluation, BOB_MISSING) == (Sight.VOID, "group out of scope")

    def test_the_group_became_a_supergroup(self) -> None:
        key = FindingKey(TELEGRAM, "7", FindingKind.MISSING_REQUIRED, "bob")
        evaluation = judge(policy(BOB), seen([], platform=TELEGRAM, superseded={"7": "8"}))
        assert sight(evaluation, key) == (Sight.VOID, "group became a supergroup")

    def test_the_employee_was_offboarded(self) -> None:
        gone = person("bob", status=EmployeeStatus.OFFBOARDED)
        evaluation = judge(policy(gone), seen([channel("C1")], in_groups("bob")))
        assert sight(evaluation, BOB_MISSING) == (Sight.VOID, "employee offboarded")

    def test_the_employee_was_removed_from_the_policy(self) -> None:
        evaluation = judge(policy(ADA), seen([channel("C1")], in_groups("ada")))
        assert sight(evaluation, BOB_MISSING) == (Sight.VOID, "employee removed")

    def test_the_rule_was_weakened(self) -> None:
        rules = [Rule(SLACK, Level.OPTIONAL, team="core")]
        evaluation = judge(policy(BOB, rules=rules), seen([channel("C1")], in_groups("bob")))
        assert sight(evaluation, BOB_MISSING) == (Sight.VOID, "rule changed")
        optional = FindingKey(SLACK, "C1", FindingKind.MISSING_OPTIONAL, "bob")
        assert sight(evaluation, optional) == (Sight.PRESENT, "")

    def test_the_category_became_exempt(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1", "company-bitsafe")], in_groups("bob")))
        assert sight(evaluation, BOB_MISSING) == (Sight.VOID, "rule changed")

    def test_the_platform_was_not_looked_at(self) -> None:
        assert sight(judge(policy(BOB), seen([], platform=TELEGRAM)), BOB_MISSING) == (Sight.UNSEEN, "")

    def test_an_exclusion_mutes_it_and_its_end_unmutes_it(self) -> None:
        for expires, excluded in ((date(2026, 5, 3), False), (date(2026, 5, 4), True)):
            exclusion = Exclusion(SLACK, "C1", employee="bob", expires=expires)
            evaluation = judge(policy(BOB, exclusions=[exclusion]), seen([channel("C1")], in_groups("bob")))
            assert Judge(evaluation).sight(BOB_MISSING) == (Sight.PRESENT, "")
            assert Judge(evaluation).excluded(BOB_MISSING) is excluded


class TestGroupItself:
    def test_renamed(self) -> None:
        assert sight(judge(policy(), seen([channel("C1")])), NAME) == (Sight.ABSENT, "")

    def test_still_named_so(self) -> None:
        assert sight(judge(policy(), seen([channel("C1", "ibtc-bitsafe")])), NAME) == (Sight.PRESENT, "")

    def test_out_of_sight(self) -> None:
        assert sight(judge(policy(), seen([])), NAME) == (Sight.UNSEEN, "")

    def test_hidden_history_needs_a_reading(self) -> None:
        key = FindingKey(TELEGRAM, "G1", FindingKind.HIDDEN_HISTORY)
        group = supergroup("G1", history=History.UNKNOWN)
        unread = judge(policy(), seen([group], platform=TELEGRAM))
        assert sight(unread, key) == (Sight.UNSEEN, "")
        details = {"G1": GroupDetails(History.VISIBLE, members_hidden=False)}
        read = judge(policy(), seen([group], platform=TELEGRAM, details=details))
        assert sight(read, key) == (Sight.ABSENT, "")

    def test_a_group_that_is_back_is_visible_again(self) -> None:
        key = FindingKey(SLACK, "C1", FindingKind.NOT_VISIBLE)
        assert sight(judge(policy(), seen([channel("C1")])), key) == (Sight.ABSENT, "")


class TestDepartedAndIdentity:
    DEPARTED = FindingKey(SLACK, "C1", FindingKind.DEPARTED_MEMBER_PRESENT, "bob")

    def test_a_departed_member_who_left(self) -> None:
        gone = person("bob", status=EmployeeStatus.OFFBOARDED)
        assert sight(judge(policy(gone), seen([channel("C1")], in_groups("bob"))), self.DEPARTED) == (
            Sight.ABSENT,
            "",
        )

    def test_a_departed_member_who_could_not_be_looked_up(self) -> None:
        gone = person("bob", status=EmployeeStatus.OFFBOARDED)
        lost = PersonSeen("bob", unresolved="No such user.")
        assert sight(judge(policy(gone), seen([channel("C1")], lost)), self.DEPARTED) == (Sight.UNSEEN, "")

    def test_a_departed_member_who_is_employed_again(self) -> None:
        evaluation = judge(policy(BOB), seen([channel("C1")], in_groups("bob", "C1")))
        assert sight(evaluation, self.DEPARTED) == (Sight.VOID, "employee is back")

    def test_an_identity_that_resolves_now(self) -> None:
        key = FindingKey(SLACK, "", FindingKind.UNRESOLVED_IDENTITY, "bob")
        assert sight(judge(policy(BOB), seen([], in_groups("bob"))), key) == (Sight.ABSENT, "")

    def test_an_identity_that_nobody_could_look_up(self) -> None:
        key = FindingKey(SLACK, "", FindingKind.UNRESOLVED_IDENTITY, "bob")
        unread = PersonSeen("bob", unread="Slack is down.")
        assert sight(judge(policy(BOB), seen([], unread)), key) == (Sight.UNSEEN, "")

    def test_an_identity_that_nobody_asks_for_any_more(self) -> None:
        key = FindingKey(SLACK, "", FindingKind.UNRESOLVED_IDENTITY, "bob")
        assert sight(judge(policy(BOB, rules=[]), seen([])), key) == (Sight.VOID, "rule changed")
