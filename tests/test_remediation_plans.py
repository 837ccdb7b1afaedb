"""Who is planned to be added where, and why the others are not: the rules, without a platform."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.lifecycle import State
from audits.remediation import missing, people
from audits.remediation.facts import Facts, Place, Standing
from audits.remediation.missing import Gap
from audits.remediation.obstacles import exclusion_of
from audits.remediation.selections import MissingSelection, PairSelection, PeopleSelection, Where
from members.management.group_names import group_names
from members.operations.plan import Plan, Target, batches
from members.platforms.types import Platform
from members.policy import (
    EmployeeStatus,
    Exclusion,
    FindingKind,
    Handle,
    Level,
    Person,
    Policy,
    Rule,
)
from tests.remediation_world import pairs, reasons
from tests.worlds import CUSTOMER, INTERNAL, SLACK, TELEGRAM, person, policy

T = TypeVar("T")

TODAY = date(2026, 5, 4)
EVERYBODY = ("ada", "bo", "cy")
MISSING = frozenset({FindingKind.MISSING_REQUIRED})


def place(id: str = "C1", name: str = "acme-bitsafe", platform: Platform = SLACK, **fields: Any) -> Place:
    return Place(platform, id, name, **{"category": CUSTOMER, **fields})


def facts(*places: Place, rules: Policy | None = None, **fields: Any) -> Facts:
    known = rules if rules is not None else policy(*map(person, EVERYBODY))
    return Facts(known, TODAY, {each.key: each for each in places}, **fields)


def gap(employee: str = "bo", at: Place | None = None, **fields: Any) -> Gap:
    where = at or place()
    return Gap(where.platform, where.id, where.name, employee, **fields)


def plan_gaps(known: Facts, *gaps: Gap, **selection: Any) -> Plan:
    return missing.draw_up(MissingSelection(**selection), known, gaps)


def excluded(employee: str | None = "bo", **fields: Any) -> Exclusion:
    values: dict[str, Any] = {"employee": employee, "reason": "The customer asked.", **fields}
    return Exclusion(SLACK, "C1", **values)


class TestTheMissing:
    def test_are_added_where_a_finding_says_so(self) -> None:
        plan = plan_gaps(facts(place()), gap("bo"))

        (step,) = plan.steps
        assert step.target == Target(SLACK, "C1", "acme-bitsafe", "bo", "Bo Example", "U-bo")
        assert (step.verb, plan.kind, plan.skipped) == ("add", "add_missing", ())

    def test_share_a_call_where_they_are_missing_in_the_same_group(self) -> None:
        near, far = place("C1"), place("C2", "zephyr-bitsafe")
        gaps = [gap(key, at) for key in EVERYBODY for at in (far, near)]

        plan = plan_gaps(facts(near, far), *gaps)

        assert [len(batch) for batch in batches(plan.steps, 100)] == [3, 3]

    @pytest.mark.parametrize(
        ("standing", "reason"),
        [
            (Standing.ARCHIVED, "The group is archived"),
            (Standing.OUT_OF_SIGHT, "Our account does not see the group"),
            (Standing.OUT_OF_SCOPE, "The group is out of scope"),
        ],
    )
    def test_are_left_out_where_nobody_can_be_added(self, standing: Standing, reason: str) -> None:
        plan = plan_gaps(facts(place(standing=standing)), gap("bo"), gap("cy"))

        assert not plan.steps
        (line,) = plan.skipped
        assert (line.target, line.reason.startswith(reason)) == (Target(SLACK, "C1", "acme-bitsafe"), True)

    def test_are_left_out_where_our_account_lacks_the_right(self) -> None:
        plan = plan_gaps(facts(place(may_invite=False)), gap())

        assert "needs an admin's right" in reasons(plan)[SLACK, "C1", ""]

    def test_are_left_out_where_the_full_team_is_not_required(self) -> None:
        known = facts(place(category=INTERNAL, missing=frozenset({"bo"})))

        assert reasons(plan_gaps(known)) == {
            (SLACK, "C1", ""): "Exempt: groups of the category Internal need no full team."
        }
        assert reasons(plan_gaps(known, gap())) == reasons(plan_gaps(known))

    def test_are_left_out_in_a_group_that_the_latest_audit_did_not_list(self) -> None:
        plan = plan_gaps(facts(), gap("bo", place("C9", "gone-bitsafe")))

        assert "did not list" in reasons(plan)[SLACK, "C9", ""]
        assert plan.skipped[0].target.group_name == "gone-bitsafe"

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (EmployeeStatus.OFFBOARDED, "Bo Example is offboarded."),
            (EmployeeStatus.UNDER_REVIEW, "Bo Example is under review."),
        ],
    )
    def test_are_left_out_everywhere_when_nobody_asks_for_them_any_more(
        self, status: EmployeeStatus, reason: str
    ) -> None:
        known = facts(place(), rules=policy(person("bo", status=status)))

        assert reasons(plan_gaps(known, gap())) == {(SLACK, "", "bo"): reason}

    def test_are_left_out_when_they_have_no_account_there(self) -> None:
        plan = plan_gaps(facts(place(), rules=policy(person("bo", platforms=[TELEGRAM]))), gap())

        assert reasons(plan)[SLACK, "", "bo"].startswith("No Slack account of Bo Example is known")

    def test_are_left_out_when_they_were_deleted(self) -> None:
        plan = plan_gaps(facts(place(), rules=policy()), gap())

        assert reasons(plan) == {(SLACK, "", "bo"): "Is not an employee any more."}

    def test_are_left_out_when_they_are_optional_by_now(self) -> None:
        known = facts(place(), rules=policy(person("bo", status=EmployeeStatus.OPTIONAL)))

        assert reasons(plan_gaps(known, gap())) == {(SLACK, "C1", "bo"): "Bo Example is optional there."}

    def test_are_left_out_when_the_rule_is_gone(self) -> None:
        known = facts(place(), rules=policy(person("bo"), rules=()))

        assert reasons(plan_gaps(known, gap())) == {
            (SLACK, "C1", "bo"): "No rule asks for Bo Example there any more."
        }

    def test_are_left_out_when_they_are_our_own_account(self) -> None:
        plan = plan_gaps(facts(place(), own_ids={SLACK: "U-bo"}), gap())

        assert "cannot add itself" in reasons(plan)[SLACK, "C1", "bo"]

    def test_are_named_when_the_audit_could_not_tell(self) -> None:
        plan = plan_gaps(facts(place(unknown=frozenset({"bo"}))))

        assert "could not tell" in reasons(plan)[SLACK, "C1", "bo"]

    def test_are_added_when_an_earlier_audit_could_tell(self) -> None:
        plan = plan_gaps(facts(place(unknown=frozenset({"bo"}))), gap())

        assert (pairs(plan), reasons(plan)) == ({(SLACK, "C1", "bo")}, {})

    def test_need_an_audit_first(self) -> None:
        plan = plan_gaps(facts(unaudited=(TELEGRAM,)))

        assert reasons(plan) == {(TELEGRAM, "", ""): "No audit has reached Telegram yet: run one first."}


class TestTheExcluded:
    @pytest.mark.parametrize(
        ("exclusion", "reason"),
        [
            (excluded(), "Excluded without an end: The customer asked."),
            (excluded(expires=TODAY), "Excluded until 4 May 2026: The customer asked."),
            (excluded(kind=FindingKind.MISSING_REQUIRED), "Excluded without an end: The customer asked."),
            (
                excluded(None, kind=FindingKind.MISSING_REQUIRED),
                "Excluded without an end: The customer asked.",
            ),
        ],
    )
    def test_are_never_added(self, exclusion: Exclusion, reason: str) -> None:
        known = facts(place(), rules=policy(person("bo"), exclusions=[exclusion]))

        plan = plan_gaps(known, gap(state=State.EXCLUDED))

        assert (pairs(plan), reasons(plan)) == (set(), {(SLACK, "C1", "bo"): reason})

    @pytest.mark.parametrize(
        "exclusion",
        [
            excluded(expires=date(2026, 5, 3)),
            excluded("cy"),
            excluded(kind=FindingKind.MISSING_OPTIONAL),
            excluded(None, kind=FindingKind.PUBLIC_CHANNEL),
        ],
        ids=["expired", "somebody else", "another kind", "about the group"],
    )
    def test_are_only_those_whom_the_exception_concerns(self, exclusion: Exclusion) -> None:
        known = facts(place(), rules=policy(person("bo"), exclusions=[exclusion]))

        assert pairs(plan_gaps(known, gap())) == {(SLACK, "C1", "bo")}


class TestFindingsThatEnded:
    def test_are_there_already_when_they_were_fixed(self) -> None:
        plan = plan_gaps(facts(place()), gap(state=State.RESOLVED, end_reason="fixed"), findings=(1,))

        assert reasons(plan) == {(SLACK, "C1", "bo"): "Already there."}

    def test_say_why_they_ended(self) -> None:
        plan = plan_gaps(facts(place()), gap(state=State.RESOLVED, end_reason="rule changed"), run=1)

        assert reasons(plan) == {(SLACK, "C1", "bo"): "Not missing any more: rule changed."}


class TestASelection:
    NEAR, FAR = place("C1"), place("C2", "zephyr company", category=replace(INTERNAL, full_team=True))
    GAPS = tuple(Gap(at.platform, at.id, at.name, key) for at in (NEAR, FAR) for key in EVERYBODY)

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            ({}, {("C1", key) for key in EVERYBODY} | {("C2", key) for key in EVERYBODY}),
            ({"groups": ((SLACK, "C2"),)}, {("C2", key) for key in EVERYBODY}),
            ({"category": "customer"}, {("C1", key) for key in EVERYBODY}),
            ({"employees": ("bo",)}, {("C1", "bo"), ("C2", "bo")}),
            ({"employees": ("bo",), "category": "internal"}, {("C2", "bo")}),
        ],
    )
    def test_narrows_what_is_added(self, selection: dict[str, Any], expected: set[tuple[str, str]]) -> None:
        plan = plan_gaps(facts(self.NEAR, self.FAR), *self.GAPS, **selection)

        assert {(group_id, key) for _, group_id, key in pairs(plan)} == expected

    def test_names_a_chosen_group_that_needs_nobody(self) -> None:
        chosen = ((SLACK, "C1"), (SLACK, "C2"), (SLACK, "C9"))

        plan = plan_gaps(facts(self.NEAR, self.FAR), gap("bo", self.NEAR), groups=chosen)

        assert pairs(plan) == {(SLACK, "C1", "bo")}
        assert reasons(plan) == {
            (SLACK, "C2", ""): "Nobody of those asked for is missing there.",
            (SLACK, "C9", ""): "It is not among the groups in scope of the latest audit.",
        }

    def test_names_the_people_it_speaks_of_who_can_be_added_nowhere(self) -> None:
        known = facts(rules=policy(person("bo", status=EmployeeStatus.OFFBOARDED)))

        plan = plan_gaps(known, platforms=(SLACK,), employees=("bo",))

        assert reasons(plan) == {(SLACK, "", "bo"): "Bo Example is offboarded."}


class TestWhatActsByItself:
    RULES = (
        Rule(SLACK, Level.REQUIRED, employee="bo", auto_add=True),
        Rule(SLACK, Level.REQUIRED, employee="cy"),
        Rule(SLACK, Level.OPTIONAL, employee="cy", auto_add=True),
    )

    def known(self) -> Facts:
        return facts(place(), rules=policy(person("bo"), person("cy"), rules=self.RULES))

    def test_adds_only_for_rules_that_say_so(self) -> None:
        plan = plan_gaps(self.known(), gap("bo"), gap("cy"), automatic=True)

        assert (pairs(plan), plan.skipped) == ({(SLACK, "C1", "bo")}, ())

    def test_leaves_alone_whom_it_could_not_add_lately(self) -> None:
        plan = missing.draw_up(
            MissingSelection(automatic=True), self.known(), [gap()], failed_lately={(SLACK, "C1", "U-bo")}
        )

        assert "within the last week" in reasons(plan)[SLACK, "C1", "bo"]


class TestPeopleEverywhere:
    def plan(self, known: Facts, **selection: Any) -> Plan:
        return people.draw_up(PeopleSelection(**selection), known)

    def test_are_added_to_every_group_in_scope_on_both_platforms(self) -> None:
        known = facts(place("C1"), place("2", "Acme <> BitSafe", TELEGRAM), place("C3", category=INTERNAL))

        plan = self.plan(known, employees=("bo",))

        assert pairs(plan) == {(SLACK, "C1", "bo"), (TELEGRAM, "2", "bo"), (SLACK, "C3", "bo")}
        assert (plan.kind, plan.reach) == ("add_people", 3)

    @pytest.mark.parametrize(
        ("where", "groups"),
        [
            (Where.REQUIRED, {"C1"}),
            (Where.OPTIONAL, {"C1", "C2", "C3"}),
            (Where.ALL, {"C1", "C2", "C3", "C4"}),
        ],
    )
    def test_go_where_the_rules_say_or_everywhere(self, where: Where, groups: set[str]) -> None:
        special, other = (replace(CUSTOMER, key=key, default=False) for key in ("special", "other"))
        rules = policy(
            person("bo"),
            rules=[
                Rule(SLACK, Level.REQUIRED, category="customer", team="core"),
                Rule(SLACK, Level.REQUIRED, category="internal", team="core"),
                Rule(SLACK, Level.OPTIONAL, category="special", employee="bo"),
            ],
        )
        categories = (CUSTOMER, INTERNAL, special, other)
        places = [place(f"C{number}", category=each) for number, each in enumerate(categories, 1)]

        plan = self.plan(facts(*places, rules=rules), employees=("bo",), platforms=(SLACK,), where=where)

        assert {group_id for _, group_id, _ in pairs(plan)} == groups
        assert len(plan.steps) + len(plan.skipped) == 4, "each of the others says why"
        assert PeopleSelection.from_parameters(plan.parameters).where is where

    def test_may_be_a_team(self) -> None:
        rules = policy(person("ada"), person("bo"), person("cy", teams=["extra"]))

        plan = self.plan(facts(place(), rules=rules), teams=("core",), platforms=(SLACK,))

        assert {key for _, _, key in pairs(plan)} == {"ada", "bo"}

    def test_are_left_where_they_are_already(self) -> None:
        plan = self.plan(facts(place(present=frozenset({"bo"}))), employees=("bo",), platforms=(SLACK,))

        assert (pairs(plan), reasons(plan)) == (set(), {(SLACK, "C1", "bo"): "Already there."})

    def test_are_not_added_where_they_are_excluded(self) -> None:
        known = facts(
            place(), rules=policy(person("bo"), exclusions=[excluded(kind=FindingKind.MISSING_OPTIONAL)])
        )

        assert not pairs(self.plan(known, employees=("bo",)))

    def test_are_nobody_when_nobody_is_named(self) -> None:
        assert self.plan(facts(place())).steps == ()

    def test_whom_nobody_knows_are_named(self) -> None:
        plan = self.plan(facts(place()), employees=("zed",), platforms=(SLACK,))

        assert reasons(plan) == {(SLACK, "", "zed"): "Is not an employee any more."}


class TestGroupsFromAFile:
    KNOWN = facts(
        place("C1", "acme-bitsafe"),
        place("C2", "Twins"),
        place("7", "twins", TELEGRAM),
        place("C3", "old-bitsafe", standing=Standing.ARCHIVED),
    )

    def plan(self, text: str) -> Plan:
        return people.draw_up(PeopleSelection(employees=("bo",), names=group_names(text)), self.KNOWN)

    @pytest.mark.parametrize("line", ["acme-bitsafe", "#ACME-bitsafe", "  C1  ", "c1"])
    def test_are_found_by_name_and_id(self, line: str) -> None:
        plan = self.plan(line)

        assert (pairs(plan), plan.skipped) == ({(SLACK, "C1", "bo")}, ())

    def test_that_several_are_called_are_not_guessed(self) -> None:
        plan = self.plan("twins")

        (line,) = plan.skipped
        assert (plan.steps, line.target.group_name) == ((), "twins")
        assert line.reason == "2 groups are called so: write the id (Slack C2, Telegram 7)."

    def test_that_nobody_knows_are_named(self) -> None:
        (line,) = self.plan("acme").skipped

        assert (line.target.group_name, line.reason.startswith("No group in scope")) == ("acme", True)

    def test_that_are_archived_are_named(self) -> None:
        assert "archived" in reasons(self.plan("old-bitsafe"))[SLACK, "C3", ""]

    def test_stand_one_a_line(self) -> None:
        assert group_names("#one\r\n\n two words \n#one\n") == ("one", "two words")


# --- What holds for every plan ---

groups = st.tuples(st.sampled_from(Platform), st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True))
words = st.text(min_size=1, max_size=8)


def several(one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=4).map(tuple)


@given(
    st.builds(
        MissingSelection,
        platforms=several(st.sampled_from(Platform)),
        run=st.none() | st.integers(1),
        groups=several(groups),
        findings=several(st.integers(1)),
        category=st.text(max_size=8),
        employees=several(words),
        automatic=st.booleans(),
    )
    | st.builds(
        PeopleSelection,
        employees=several(words),
        teams=several(words),
        platforms=several(st.sampled_from(Platform)),
        groups=several(groups),
        category=st.text(max_size=8),
        names=several(words),
    )
    | st.builds(
        PairSelection,
        targets=several(st.builds(Target, st.sampled_from(Platform), words, words, words, words, words)),
    )
)
def test_a_selection_survives_being_stored(
    selection: MissingSelection | PeopleSelection | PairSelection,
) -> None:
    stored = json.loads(json.dumps(selection.as_parameters()))

    assert type(selection).from_parameters(stored) == selection


keys = st.sampled_from(EVERYBODY)
somebody = st.frozensets(keys)


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    staff = [
        Person(
            key,
            key,
            draw(st.sampled_from(EmployeeStatus)),
            frozenset({"core"}),
            handles={platform: Handle(draw(st.sampled_from((f"U-{key}", None)))) for platform in Platform},
        )
        for key in EVERYBODY
    ]
    exclusions = draw(
        st.lists(
            st.builds(
                Exclusion,
                st.sampled_from(Platform),
                st.sampled_from(("1", "2")),
                st.none() | keys,
                st.none() | st.sampled_from(FindingKind),
                st.just("Because."),
                st.none() | st.sampled_from((date(2026, 5, 3), TODAY)),
            ),
            max_size=4,
        )
    )
    places = [
        Place(
            platform,
            group_id,
            draw(st.sampled_from(("one", "two"))),
            draw(st.sampled_from((CUSTOMER, INTERNAL))),
            draw(st.sampled_from(Standing)),
            draw(st.booleans()),
            *(draw(somebody) for _ in range(3)),
        )
        for platform in Platform
        for group_id in ("1", "2")
    ]
    return facts(*places, rules=policy(*staff, exclusions=exclusions), own_ids={SLACK: "U-ada"})


gaps_anywhere = st.lists(
    st.builds(
        Gap,
        st.sampled_from(Platform),
        st.sampled_from(("1", "2", "3")),
        st.just("some group"),
        keys,
        st.sampled_from(State),
        st.sampled_from(("fixed", "rule changed")),
    )
)


def assert_nobody_is_added_against_the_rules(plan: Plan, known: Facts, kinds: frozenset[FindingKind]) -> None:
    staff, exclusions = known.people(), known.exclusions()
    for step in plan.steps:
        target = step.target
        at = known.places[target.platform, target.group_id]
        assert exclusion_of(target.subject, exclusions.get(at.key, ()), kinds) is None
        assert (at.standing, at.may_invite) == (Standing.AUDITED, True)
        assert target.subject not in at.present
        assert staff[target.subject].status in (EmployeeStatus.ACTIVE, EmployeeStatus.OPTIONAL)
        assert target.user_id == staff[target.subject].handles[target.platform].id
        assert target.user_id != known.own_ids.get(target.platform)
    planned = [step.target for step in plan.steps]
    assert len(set(planned)) == len(planned)
    assert not set(planned) & {line.target for line in plan.skipped}
    assert len(batches(plan.steps, 100)) == len({(t.platform, t.group_id) for t in planned})
    assert all(line.reason for line in plan.skipped)


@given(worlds(), gaps_anywhere)
def test_no_plan_adds_the_excluded_and_each_gap_is_answered_for(known: Facts, gaps: list[Gap]) -> None:
    plan = plan_gaps(known, *gaps)

    assert_nobody_is_added_against_the_rules(plan, known, MISSING)
    told = pairs(plan) | reasons(plan).keys()
    for each in gaps:
        where = (each.platform, each.group_id)
        assert told & {(*where, each.employee), (*where, ""), (each.platform, "", each.employee)}
    assert pairs(plan) <= {(g.platform, g.group_id, g.employee) for g in gaps}


@given(worlds(), st.lists(keys, min_size=1, unique=True))
def test_no_plan_for_people_adds_the_excluded_and_each_pair_is_answered_for(
    known: Facts, chosen: list[str]
) -> None:
    plan = people.draw_up(PeopleSelection(employees=tuple(chosen)), known)

    assert_nobody_is_added_against_the_rules(plan, known, MISSING | {FindingKind.MISSING_OPTIONAL})
    told = pairs(plan) | reasons(plan).keys()
    for at in known.places.values():
        if at.standing is not Standing.OUT_OF_SCOPE:
            for key in chosen:
                assert told & {(*at.key, key), (*at.key, ""), (at.platform, "", key)}
