"""What an audit means: the verdict, the lists and the problems of a group."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from audits.engine import Evaluation
from audits.observation import KnownGroup, PersonSeen
from audits.rows import FindingKey, GroupRow, Verdict, summarise
from members.platforms.types import AdminStatus, GroupDetails, History, Privacy
from members.policy import EmployeeStatus, Exclusion, FindingKind, Level, Rule
from tests.worlds import NOW, SLACK, TELEGRAM, channel, in_groups, judge, person, policy, seen, supergroup

ADA, BOB = person("ada"), person("bob")
YESTERDAY, TODAY, TOMORROW = date(2026, 5, 3), date(2026, 5, 4), date(2026, 5, 5)


def row_of(evaluation: Evaluation, group_id: str = "C1") -> GroupRow:
    (row,) = [row for row in evaluation.rows if row.id == group_id]
    return row


def kinds(evaluation: Evaluation, group_id: str = "C1") -> set[tuple[FindingKind, str]]:
    return {(key.kind, key.subject) for key in evaluation.problems if key.group_id == group_id}


class TestVerdict:
    def test_complete_when_every_required_person_is_there(self) -> None:
        row = row_of(
            judge(policy(ADA, BOB), seen([channel("C1")], in_groups("ada", "C1"), in_groups("bob", "C1")))
        )
        assert (row.verdict, row.completeness) == (Verdict.COMPLETE, "2/2")
        assert row.required_present == ("ada", "bob")

    def test_incomplete_when_one_is_missing(self) -> None:
        evaluation = judge(policy(ADA, BOB), seen([channel("C1")], in_groups("ada", "C1"), in_groups("bob")))
        row = row_of(evaluation)
        assert (row.verdict, row.completeness, row.required_missing) == (Verdict.INCOMPLETE, "1/2", ("bob",))
        assert kinds(evaluation) == {(FindingKind.MISSING_REQUIRED, "bob")}

    def test_exempt_category_fills_the_lists_but_reports_nobody_missing(self) -> None:
        group = channel("C1", "company-bitsafe", privacy=Privacy.PUBLIC)
        evaluation = judge(policy(ADA, BOB), seen([group], in_groups("ada", "C1"), in_groups("bob")))
        row = row_of(evaluation)
        assert (row.verdict, row.required_missing) == (Verdict.EXEMPT, ("bob",))
        assert kinds(evaluation) == {(FindingKind.PUBLIC_CHANNEL, "")}, "the other checks apply"

    def test_a_required_list_that_was_not_read_is_no_verdict(self) -> None:
        cut = in_groups("bob", unread="Slack did not answer.")
        row = row_of(judge(policy(ADA, BOB), seen([channel("C1")], in_groups("ada", "C1"), cut)))
        assert (row.verdict, row.required_missing, row.unresolved) == (Verdict.ERROR, (), ("bob",))

    def test_a_known_gap_counts_also_when_another_list_was_not_read(self) -> None:
        cut = in_groups("bob", unread="Slack did not answer.")
        row = row_of(judge(policy(ADA, BOB), seen([channel("C1")], in_groups("ada"), cut)))
        assert (row.verdict, row.required_missing) == (Verdict.INCOMPLETE, ("ada",))

    def test_what_was_read_of_a_list_that_was_cut_short_counts(self) -> None:
        cut = in_groups("bob", "C1", unread="Slack did not answer.")
        row = row_of(judge(policy(BOB), seen([channel("C1")], cut)))
        assert (row.verdict, row.required_present) == (Verdict.COMPLETE, ("bob",))

    def test_the_account_is_present_wherever_it_is(self) -> None:
        groups = [channel("C1"), channel("C2", joined=False)]
        evaluation = judge(policy(ADA), seen(groups, in_groups("ada"), account_employee="ada"))
        assert row_of(evaluation, "C1").verdict is Verdict.COMPLETE
        assert row_of(evaluation, "C2").verdict is Verdict.INCOMPLETE

    def test_the_groups_own_answer_beats_the_persons_list(self) -> None:
        asked = {("G1", "ada"): True, ("G1", "bob"): None}
        observation = seen(
            [supergroup("G1")],
            in_groups("ada", platform=TELEGRAM),
            in_groups("bob", platform=TELEGRAM),
            platform=TELEGRAM,
            asked=asked,
        )
        row = row_of(judge(policy(ADA, BOB), observation), "G1")
        assert (row.required_present, row.required_missing, row.unresolved) == (("ada",), (), ("bob",))
        assert row.verdict is Verdict.ERROR


class TestWhoIsAskedFor:
    def test_the_strongest_rule_wins_whatever_the_order(self) -> None:
        weak, strong = Rule(SLACK, Level.OPTIONAL, employee="ada"), Rule(SLACK, Level.REQUIRED, team="core")
        for rules in ([weak, strong], [strong, weak]):
            row = row_of(judge(policy(ADA, rules=rules), seen([channel("C1")], in_groups("ada"))))
            assert row.required_missing == ("ada",)

    def test_a_rule_for_one_category_says_nothing_about_others(self) -> None:
        rules = [Rule(SLACK, Level.REQUIRED, team="core", category="internal")]
        row = row_of(judge(policy(ADA, rules=rules), seen([channel("C1")], in_groups("ada"))))
        assert (row.required_missing, row.optional_missing, row.completeness) == ((), (), "0/0")

    def test_status_optional_counts_as_optional_at_most(self) -> None:
        optional = person("ada", status=EmployeeStatus.OPTIONAL)
        evaluation = judge(policy(optional), seen([channel("C1")], in_groups("ada")))
        assert row_of(evaluation).optional_missing == ("ada",)
        assert kinds(evaluation) == {(FindingKind.MISSING_OPTIONAL, "ada")}

    def test_under_review_is_shown_and_never_counted(self) -> None:
        reviewed = person("ada", status=EmployeeStatus.UNDER_REVIEW)
        evaluation = judge(policy(reviewed), seen([channel("C1")], in_groups("ada", "C1")))
        row = row_of(evaluation)
        assert (row.under_review, row.required_present, row.completeness) == (("ada",), (), "0/0")
        assert kinds(evaluation) == set()

    def test_offboarded_and_present_is_a_problem_and_counts_nowhere(self) -> None:
        gone = person("ada", status=EmployeeStatus.OFFBOARDED)
        evaluation = judge(policy(gone), seen([channel("C1"), channel("C2")], in_groups("ada", "C1")))
        assert row_of(evaluation).departed == ("ada",)
        assert kinds(evaluation, "C1") == {(FindingKind.DEPARTED_MEMBER_PRESENT, "ada")}
        assert kinds(evaluation, "C2") == set()


class TestExclusions:
    @pytest.mark.parametrize("where", [(), ("C1",)])
    def test_an_excluded_person_leaves_both_sides(self, where: tuple[str, ...]) -> None:
        exclusion = Exclusion(SLACK, "C1", employee="bob", reason="customer asked", expires=TODAY)
        observation = seen([channel("C1")], in_groups("ada", "C1"), in_groups("bob", *where))
        row = row_of(judge(policy(ADA, BOB, exclusions=[exclusion]), observation))
        assert (row.completeness, row.excluded, row.verdict) == ("1/1", ("bob",), Verdict.COMPLETE)

    @pytest.mark.parametrize(
        ("expires", "holds"), [(YESTERDAY, False), (TODAY, True), (TOMORROW, True), (None, True)]
    )
    def test_it_holds_through_its_last_day(self, expires: date | None, holds: bool) -> None:
        exclusion = Exclusion(SLACK, "C1", employee="bob", expires=expires)
        observation = seen([channel("C1")], in_groups("bob"))
        row = row_of(judge(policy(BOB, exclusions=[exclusion]), observation))
        assert (row.verdict is Verdict.COMPLETE) is holds

    def test_it_concerns_one_group_only(self) -> None:
        exclusion = Exclusion(SLACK, "C1", employee="bob")
        observation = seen([channel("C1"), channel("C2")], in_groups("bob"))
        assert row_of(judge(policy(BOB, exclusions=[exclusion]), observation), "C2").required_missing == (
            "bob",
        )

    def test_the_problem_is_still_known_so_that_it_can_reopen(self) -> None:
        exclusion = Exclusion(SLACK, "C1", employee="bob")
        evaluation = judge(policy(BOB, exclusions=[exclusion]), seen([channel("C1")], in_groups("bob")))
        assert kinds(evaluation) == {(FindingKind.MISSING_REQUIRED, "bob")}


class TestIdentity:
    def test_an_unresolved_person_is_a_problem_and_a_blind_spot_not_missing_everywhere(self) -> None:
        lost = PersonSeen("bob", unresolved="No user has the username @bob.")
        evaluation = judge(policy(ADA, BOB), seen([channel("C1")], in_groups("ada", "C1"), lost))
        row = row_of(evaluation)
        assert (row.required_present, row.required_missing, row.unresolved) == (("ada",), (), ("bob",))
        assert kinds(evaluation, "") == {(FindingKind.UNRESOLVED_IDENTITY, "bob")}
        assert "Bob Example" in {spot.subject for spot in evaluation.blind_spots}

    def test_a_changed_handle_is_reported_and_counts_as_the_same_person(self) -> None:
        before = in_groups("bob", "C1")
        renamed = PersonSeen("bob", before.user, before.id, changed_from="bobby", group_ids=before.group_ids)
        evaluation = judge(policy(BOB), seen([channel("C1")], renamed))
        assert row_of(evaluation).required_present == ("bob",)
        assert (
            evaluation.problems[FindingKey(SLACK, "", FindingKind.IDENTITY_CHANGED, "bob")]
            == "Was @bobby, is now @bob."
        )


class TestTheGroupItself:
    def test_flags(self) -> None:
        group = supergroup("G1", "iBTC BitSafe", privacy=Privacy.PUBLIC, history=History.HIDDEN)
        evaluation = judge(policy(), seen([group], platform=TELEGRAM))
        row = row_of(evaluation, "G1")
        assert list(map(str, row.flags)) == ["public_channel", "deprecated_name", "hidden_history"]
        assert {kind for kind, _ in kinds(evaluation, "G1")} == set(row.flags)

    def test_a_group_where_we_are_only_a_member(self) -> None:
        group = supergroup("G1", admin_status=AdminStatus.MEMBER)
        evaluation = judge(policy(), seen([group], platform=TELEGRAM))
        assert kinds(evaluation, "G1") == {(FindingKind.NO_ADMIN_RIGHT, "")}
        assert row_of(evaluation, "G1").flags == ()

    def test_history_is_this_runs_reading_else_the_one_kept(self) -> None:
        group = supergroup("G1", history=History.UNKNOWN)
        never_read = KnownGroup(TELEGRAM, "G1", group.name)
        kept = KnownGroup(TELEGRAM, "G1", group.name, history=History.HIDDEN, history_read_at=NOW)
        details = {"G1": GroupDetails(History.VISIBLE, members_hidden=False, total_members=12)}
        not_read_now = seen([group], platform=TELEGRAM)
        read_now = seen([group], platform=TELEGRAM, details=details)
        assert row_of(judge(policy(), not_read_now, known=[never_read]), "G1").history is History.UNKNOWN
        assert row_of(judge(policy(), not_read_now, known=[kept]), "G1").history is History.HIDDEN
        row = row_of(judge(policy(), read_now, known=[kept]), "G1")
        assert (row.history, row.total_members) == (History.VISIBLE, 12)


class TestScopeAndSight:
    def test_only_groups_in_scope_are_judged(self) -> None:
        evaluation = judge(policy(), seen([channel("C1"), channel("C2", "random")]))
        assert [row.id for row in evaluation.rows] == ["C1"]

    def test_archived_channels_are_listed_apart(self) -> None:
        evaluation = judge(policy(ADA), seen([channel("C1", archived=True)], in_groups("ada")))
        assert (evaluation.rows, [group.id for group in evaluation.archived]) == ((), ["C1"])

    def test_a_known_group_that_a_whole_listing_lacks_is_not_visible(self) -> None:
        known = KnownGroup(SLACK, "C9", "lost-bitsafe", in_scope=True)
        evaluation = judge(policy(ADA), seen([], in_groups("ada")), known=[known])
        assert row_of(evaluation, "C9").verdict is Verdict.NOT_VISIBLE
        assert kinds(evaluation, "C9") == {(FindingKind.NOT_VISIBLE, "")}
        assert "lost-bitsafe" in {spot.subject for spot in evaluation.blind_spots}

    def test_a_listing_that_was_cut_short_proves_nothing_about_the_rest(self) -> None:
        known = KnownGroup(SLACK, "C9", "later-bitsafe", in_scope=True)
        evaluation = judge(policy(), seen([channel("C1")], complete=False), known=[known])
        assert row_of(evaluation, "C9").verdict is Verdict.ERROR
        assert kinds(evaluation, "C9") == set()

    def test_decisions_about_a_basic_group_go_on_for_the_supergroup_it_became(self) -> None:
        rules = policy(ADA, exclusions=[Exclusion(TELEGRAM, "7", employee="ada")])
        rules = replace(rules, pinned_categories={(TELEGRAM, "7"): "internal"})
        observation = seen(
            [supergroup("8")], in_groups("ada", platform=TELEGRAM), platform=TELEGRAM, superseded={"7": "8"}
        )
        row = row_of(judge(rules, observation), "8")
        assert (row.excluded, row.category.key) == (("ada",), "internal")

    def test_a_group_left_on_purpose_is_neither_a_row_nor_a_gap(self) -> None:
        known = KnownGroup(SLACK, "C9", "left-bitsafe", in_scope=True)
        accepted = Exclusion(SLACK, "C9", kind=FindingKind.NOT_VISIBLE)
        evaluation = judge(policy(ADA, exclusions=[accepted]), seen([]), known=[known])
        assert (evaluation.rows, kinds(evaluation, "C9")) == ((), set())

    def test_a_group_out_of_sight_that_the_scope_excludes_by_now_is_not_missed(self) -> None:
        known = KnownGroup(TELEGRAM, "9", "Acme BitSafe - archived", in_scope=True)
        evaluation = judge(policy(), seen([], platform=TELEGRAM), known=[known])
        assert evaluation.rows == ()
        assert evaluation.void_groups == {(TELEGRAM, "9"): "group out of scope"}

    def test_a_group_that_became_a_supergroup_is_counted_once(self) -> None:
        known = KnownGroup(TELEGRAM, "7", "Acme BitSafe", in_scope=True)
        observation = seen([supergroup("8")], platform=TELEGRAM, superseded={"7": "8"})
        evaluation = judge(policy(), observation, known=[known])
        assert [row.id for row in evaluation.rows] == ["8"]


def test_the_summary_counts_what_the_rows_say() -> None:
    groups = [channel("C1"), channel("C2"), channel("C3", "company-bitsafe", privacy=Privacy.PUBLIC)]
    evaluation = judge(policy(ADA), seen(groups, in_groups("ada", "C1")))
    summary = summarise(evaluation.rows)
    assert (summary.groups, summary.complete, summary.coverage) == (3, 1, 0.5)
    assert summary.by_category == {"customer": 2, "internal": 1}
    assert (summary.public_channels, summary.not_visible) == (1, 0)
