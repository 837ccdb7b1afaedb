"""Who must be in which group: scope, categories, rules, exclusions and naming, as pure functions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.patterns import PatternTrouble
from members.platforms.types import Platform
from members.policy import (
    UNCATEGORISED,
    Category,
    EmployeeStatus,
    Exclusion,
    Level,
    Match,
    Naming,
    Person,
    Policy,
    Rule,
    ScopeKind,
    ScopeLine,
    bare_username,
    category_of,
    concerns,
    in_scope,
    level_of,
    matches,
    outdated_part,
    regex_problem,
    rules_for,
)

SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM
NAMES = st.text(max_size=20)
PLATFORMS = st.sampled_from(Platform)


@pytest.mark.parametrize(
    ("name", "match", "pattern", "expected"),
    [
        ("acme-BitSafe", Match.CONTAINS, "bitsafe", True),
        ("acme", Match.CONTAINS, "bitsafe", False),
        ("BitSafe", Match.EXACT, "bitsafe", True),
        ("acme-bitsafe", Match.EXACT, "bitsafe", False),
        ("acme-bitsafe", Match.REGEX, "^ACME-", True),
        ("x-acme-bitsafe", Match.REGEX, "^ACME-", False),
        ("Hauptstraße", Match.CONTAINS, "STRASSE", True),
    ],
)
def test_names_match_whatever_their_case(name: str, match: Match, pattern: str, expected: bool) -> None:
    assert matches(name, match, pattern) is expected


@given(NAMES, NAMES, NAMES)
def test_a_name_contains_each_of_its_parts(before: str, part: str, after: str) -> None:
    assert matches(before + part + after, Match.CONTAINS, part)
    assert matches(part, Match.EXACT, part)


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(?P<x", "a|(?R)*"])
def test_a_bad_regular_expression_is_explained(pattern: str) -> None:
    assert regex_problem(pattern)


def test_a_pattern_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(PatternTrouble, match="takes too long"):
        matches("a" * 120 + "!", Match.REGEX, "(a|aa)+$")


@given(st.text(max_size=30))
def test_what_passes_as_regular_expression_can_be_used(pattern: str) -> None:
    if regex_problem(pattern) is None:
        matches("any name", Match.REGEX, pattern)


class TestScope:
    def line(self, kind: ScopeKind, pattern: str = "", employee: str | None = None) -> ScopeLine:
        return ScopeLine(SLACK, kind, pattern=pattern, employee=employee)

    def test_without_lines_nothing_is_in_scope(self) -> None:
        assert not in_scope(SLACK, "acme-bitsafe", (), [])

    def test_an_include_line_takes_groups_of_its_platform_alone(self) -> None:
        lines = [self.line(ScopeKind.INCLUDE, "bitsafe")]
        assert in_scope(SLACK, "acme-bitsafe", (), lines)
        assert not in_scope(SLACK, "acme", (), lines)
        assert not in_scope(TELEGRAM, "acme-bitsafe", (), lines)

    def test_a_group_shared_with_the_employee_is_in(self) -> None:
        lines = [self.line(ScopeKind.SHARED_WITH, employee="ada")]
        assert in_scope(SLACK, "whatever", {"ada", "bob"}, lines)
        assert not in_scope(SLACK, "whatever", {"bob"}, lines)

    @given(st.permutations(range(3)))
    def test_an_exclude_line_wins_wherever_it_stands(self, order: list[int]) -> None:
        lines = [
            self.line(ScopeKind.INCLUDE, "bitsafe"),
            self.line(ScopeKind.SHARED_WITH, employee="ada"),
            self.line(ScopeKind.EXCLUDE, " - archived"),
        ]
        assert not in_scope(SLACK, "acme-bitsafe - archived", {"ada"}, [lines[index] for index in order])

    @given(st.lists(st.builds(ScopeLine, PLATFORMS, st.sampled_from(ScopeKind), pattern=NAMES)), NAMES)
    def test_lines_of_another_platform_change_nothing(self, lines: list[ScopeLine], name: str) -> None:
        own = [line for line in lines if line.platform is SLACK]
        assert in_scope(SLACK, name, (), lines) == in_scope(SLACK, name, (), own)


class TestCategory:
    CUSTOMER = Category("customer", "BD Customer", full_team=True, default=True)
    INTERNAL = Category("internal", "Internal", full_team=False, patterns=("Company", "standup"))
    MARKETING = Category("marketing", "Marketing", full_team=False, patterns=("press", "company news"))
    ALL = (INTERNAL, MARKETING, CUSTOMER)

    @pytest.mark.parametrize(
        ("name", "pinned", "expected"),
        [
            ("acme", None, CUSTOMER),
            ("PRESS room", None, MARKETING),
            ("Company News", None, INTERNAL),  # both fit: the first in the order
            ("Company News", "marketing", MARKETING),  # pinned by hand
            ("press room", "gone", MARKETING),  # the pinned category exists no more
        ],
    )
    def test_pinned_then_first_match_then_default(
        self, name: str, pinned: str | None, expected: Category
    ) -> None:
        assert category_of(name, pinned, self.ALL) == expected

    def test_without_a_default_the_strict_reading_stands_in(self) -> None:
        category = category_of("acme", None, [self.INTERNAL])
        assert category == UNCATEGORISED
        assert category.full_team


class TestLevel:
    REQUIRED = Rule(SLACK, Level.REQUIRED, team="core")
    OPTIONAL = Rule(SLACK, Level.OPTIONAL, employee="ada")

    def ada(self, status: EmployeeStatus = EmployeeStatus.ACTIVE, team: str = "core") -> Person:
        return Person("ada", "Ada Example", status, frozenset({team}))

    def test_a_rule_reaches_the_team_or_the_employee_on_its_platform(self) -> None:
        assert level_of(self.ada(), SLACK, "customer", [self.REQUIRED]) is Level.REQUIRED
        assert level_of(self.ada(), TELEGRAM, "customer", [self.REQUIRED]) is None
        assert level_of(self.ada(team="bd"), SLACK, "customer", [self.REQUIRED]) is None
        assert level_of(self.ada(team="bd"), SLACK, "customer", [self.OPTIONAL]) is Level.OPTIONAL

    def test_a_rule_with_a_category_speaks_of_it_alone(self) -> None:
        rule = Rule(SLACK, Level.REQUIRED, category="intro", team="core")
        assert level_of(self.ada(), SLACK, "intro", [rule]) is Level.REQUIRED
        assert level_of(self.ada(), SLACK, "customer", [rule]) is None

    def test_the_strongest_rule_wins_in_any_order(self) -> None:
        for rules in ([self.REQUIRED, self.OPTIONAL], [self.OPTIONAL, self.REQUIRED]):
            assert level_of(self.ada(), SLACK, "customer", rules) is Level.REQUIRED

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (EmployeeStatus.ACTIVE, Level.REQUIRED),
            (EmployeeStatus.OPTIONAL, Level.OPTIONAL),
            (EmployeeStatus.UNDER_REVIEW, None),
            (EmployeeStatus.OFFBOARDED, None),
        ],
    )
    def test_the_status_caps_what_rules_ask_for(self, status: EmployeeStatus, expected: Level | None) -> None:
        assert level_of(self.ada(status), SLACK, "customer", [self.REQUIRED]) is expected

    def test_the_rules_behind_a_level_can_be_named(self) -> None:
        found = rules_for(self.ada(), SLACK, "customer", [self.REQUIRED, self.OPTIONAL])
        assert [str(rule) for rule in found] == [
            "team core is required on Slack",
            "ada is optional on Slack",
        ]


class TestConcerns:
    """Whom an audit has to look for at all: looking for nobody in vain keeps it cheap."""

    def test_people_with_a_rule_a_scope_line_or_nothing_to_do_here_any_more(self) -> None:
        policy = Policy(
            rules=(Rule(SLACK, Level.REQUIRED, team="core"),),
            scope=(ScopeLine(SLACK, ScopeKind.SHARED_WITH, employee="anchor"),),
        )
        assert concerns(Person("ada", "Ada", teams=frozenset({"core"})), SLACK, policy)
        assert concerns(Person("anchor", "Anchor"), SLACK, policy)
        assert concerns(Person("gone", "Gone", EmployeeStatus.OFFBOARDED), TELEGRAM, policy)
        assert not concerns(Person("ada", "Ada", teams=frozenset({"core"})), TELEGRAM, policy)
        assert not concerns(Person("bob", "Bob"), SLACK, policy)


class TestExclusion:
    @given(st.dates(min_value=date(2000, 1, 2), max_value=date(2100, 1, 1)))
    def test_the_last_day_counts_and_the_next_does_not(self, expires: date) -> None:
        exclusion = Exclusion(SLACK, "C1", employee="ada", expires=expires)
        assert exclusion.holds_on(expires)
        assert exclusion.holds_on(expires - timedelta(days=1))
        assert not exclusion.holds_on(expires + timedelta(days=1))

    @given(st.dates())
    def test_without_an_end_it_always_holds(self, day: date) -> None:
        assert Exclusion(SLACK, "C1", employee="ada").holds_on(day)


def test_a_deprecated_part_anywhere_in_the_name_asks_for_a_new_one() -> None:
    naming = [Naming("iBTC", "BitSafe (CBTC)")]
    assert outdated_part("Acme <> ibtc desk", naming) == naming[0]
    assert outdated_part("Acme <> BitSafe", naming) is None
    assert outdated_part("Acme <> ibtc", []) is None


@pytest.mark.parametrize("written", ["ada", "@ada", " @ada ", "@@ada", "@ ada\n"])
def test_usernames_may_be_written_with_an_at_sign(written: str) -> None:
    assert bare_username(written) == "ada"


@given(st.text())
def test_a_bare_username_stays_as_it_is(text: str) -> None:
    assert bare_username(bare_username(text)) == bare_username(text)
