"""policy.json as text: what is read, what is refused and where, and that it is written back the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members import policy, policy_file
from members.models import Category, Employee, Exclusion, NamingRule, ScopeLine, Team
from members.platforms.types import Platform
from members.policy import KEY_PATTERN, EmployeeStatus, FindingKind, Level, Match, ScopeKind
from members.policy_file import (
    CategoryPatterns,
    EmployeeEntry,
    KnownKeys,
    PolicyFile,
    PolicyFileError,
    TeamEntry,
    dump,
    parse,
)

EXAMPLE: dict[str, Any] = {
    "employees": [
        {
            "key": "ada",
            "name": "Ada Example",
            "title": "CEO",
            "teams": ["core"],
            "status": "active",
            "slack_user_id": None,
            "slack_username": "ada",
            "telegram_user_id": None,
            "telegram_username": "adaexample",
            "email": None,
        },
        {
            "key": "bob",
            "name": "Bob Example",
            "title": "",
            "teams": ["bd", "core"],
            "status": "under_review",
            "slack_user_id": "U2",
            "slack_username": "bob",
            "telegram_user_id": 4200000002,
            "telegram_username": None,
            "email": "bob@example.com",
        },
    ],
    "teams": [{"key": "bd", "name": "Business development"}, {"key": "core", "name": "Core team"}],
    "categories": [
        {"key": "customer", "name": "BD Customer", "full_team": True, "default": True, "patterns": []},
        {
            "key": "internal",
            "name": "Internal",
            "full_team": False,
            "default": False,
            "patterns": ["Company", " x "],
        },
    ],
    "rules": [
        {"platform": "slack", "team": "core", "level": "required"},
        {"platform": "telegram", "category": "internal", "employee": "ada", "level": "optional"},
    ],
    "scope": [
        {"platform": "slack", "kind": "include", "match": "contains", "pattern": "bitsafe"},
        {"platform": "telegram", "kind": "shared_with", "employee": "ada"},
        {"platform": "telegram", "kind": "exclude", "match": "regex", "pattern": " - archived$"},
    ],
    "naming": [{"pattern": "iBTC", "replacement": "BitSafe (CBTC)"}],
    "exclusions": [
        {
            "platform": "slack",
            "group": "C123",
            "employee": "ada",
            "kind": None,
            "reason": "customer asked",
            "expires": "2099-01-31",
        },
        {
            "platform": "telegram",
            "group": "77",
            "employee": None,
            "kind": "hidden_history",
            "reason": "their wish",
            "expires": None,
        },
    ],
}


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def changed(section: str, index: int, **values: Any) -> dict[str, Any]:
    """The example with some values of one entry replaced."""
    document: dict[str, Any] = json.loads(json.dumps(EXAMPLE))
    document[section][index].update(values)
    return document


def problems(value: Any, known: KnownKeys | None = None) -> tuple[str, ...]:
    with pytest.raises(PolicyFileError) as caught:
        parse(value if isinstance(value, bytes) else as_bytes(value), known)
    return caught.value.problems


class TestReading:
    def test_the_example_is_read_whole(self) -> None:
        file = parse(as_bytes(EXAMPLE))
        assert isinstance(file, PolicyFile)
        assert file.employees is not None
        assert file.employees[0] == EmployeeEntry(
            "ada", "Ada Example", "CEO", ("core",), slack_username="ada", telegram_username="adaexample"
        )
        assert file.exclusions is not None
        assert file.exclusions[1].kind is FindingKind.HIDDEN_HISTORY

    def test_and_written_as_it_was(self) -> None:
        file = parse(as_bytes(EXAMPLE))
        assert isinstance(file, PolicyFile)
        assert json.loads(dump(file)) == EXAMPLE

    def test_a_section_that_is_absent_is_not_an_empty_one(self) -> None:
        assert parse(b'{"teams": []}') == PolicyFile(teams=())

    def test_what_is_optional_may_be_left_out(self) -> None:
        entry = {"key": "ada", "name": "Ada Example"}
        assert parse(as_bytes({"employees": [entry]})) == PolicyFile(
            employees=(EmployeeEntry("ada", "Ada Example", "", (), EmployeeStatus.ACTIVE),)
        )

    def test_usernames_and_telegram_ids_as_people_write_them(self) -> None:
        entry = {"key": "ada", "name": "Ada", "slack_username": "@ada", "telegram_user_id": "4200000001"}
        file = parse(as_bytes({"employees": [entry]}))
        assert isinstance(file, PolicyFile)
        assert file.employees == (
            EmployeeEntry("ada", "Ada", slack_username="ada", telegram_user_id=4200000001),
        )

    def test_a_byte_order_mark_is_fine(self) -> None:
        assert parse(b'\xef\xbb\xbf{"teams": []}') == PolicyFile(teams=())

    def test_a_file_may_refer_to_what_the_database_has(self) -> None:
        rules = {"rules": [{"platform": "slack", "team": "core", "level": "required"}]}
        assert parse(as_bytes(rules), KnownKeys(teams=frozenset({"core"})))
        assert problems(rules) == ('rules[0].team: there is no "core" in the database',)


class TestRefusing:
    """Every problem is named by its line or its key path."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b'{"teams": [\n  {"key": "core",}\n]}', "line 2, column 18: "),
            (b"", "line 1, column 1: "),
            (b'{"teams": []}}', "line 1, column 14: "),
            (b'{"teams": []}\n\xff', "line 2: not UTF-8 text"),
            (b'{"teams": [], "teams": []}', 'the key "teams" stands twice in one object'),
            (b'{"teams": [NaN]}', "NaN is not a number that JSON knows"),
            (b"[" * 100_000, "the lists or objects are nested too deep"),
            (b"[" + b"9" * 5_000 + b"]", "Exceeds the limit"),
            (b"[]", "the file: must be an object, not []"),
        ],
    )
    def test_text_that_is_no_policy(self, text: bytes, expected: str) -> None:
        (problem,) = problems(text)
        assert problem.startswith(expected)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b'{"teams": [{"key": "co', "line 1, column 20: Unterminated string"),
            (b'{"teams": ["a\nb"]}', "line 1, column 14: Invalid control character"),
        ],
    )
    def test_what_the_parser_says_of_a_place_ends_with_the_sentence(self, text: bytes, expected: str) -> None:
        assert problems(text) == (expected,)

    @pytest.mark.parametrize(
        ("section", "index", "values", "expected"),
        [
            ("employees", 1, {"status": "retired"}, '.status: "retired" is not one of active, optional,'),
            ("employees", 0, {"name": 7}, ".name: must be a text, not 7"),
            ("employees", 0, {"name": " "}, ".name: must not be empty"),
            ("employees", 0, {"name": "x" * 201}, ".name: must have at most 200 characters, not 201"),
            ("employees", 0, {"name": "\ud800"}, ".name: holds a character that cannot be stored"),
            ("employees", 0, {"teams": "core"}, '.teams: must be a list of texts, not "core"'),
            ("employees", 0, {"teams": ["cor"]}, '.teams[0]: there is no "cor" in teams'),
            (
                "employees",
                0,
                {"slack_usrname": "a"},
                ".slack_usrname: unknown key; did you mean slack_",
            ),
            ("employees", 0, {"email": "ada"}, '.email: "ada" is not an e-mail address'),
            ("employees", 0, {"telegram_user_id": -1}, ".telegram_user_id: must be a positive whole number"),
            (
                "employees",
                0,
                {"telegram_user_id": True},
                ".telegram_user_id: must be a positive whole number",
            ),
            ("employees", 0, {"telegram_user_id": 1.5}, ".telegram_user_id: must be a positive whole number"),
            ("employees", 0, {"key": "a b"}, '.key: "a b" may hold letters, digits and . _ + @ - only'),
            ("employees", 1, {"key": "ada"}, ".key: is the same as in employees[0]"),
            ("teams", 1, {"key": "bd"}, ".key: is the same as in teams[0]"),
            ("teams", 0, {"name": None}, ".name: is missing"),
            ("categories", 0, {"full_team": "yes"}, '.full_team: must be true or false, not "yes"'),
            ("categories", 1, {"default": True}, ".default: is the same as in categories[0]"),
            ("categories", 1, {"patterns": [""]}, '.patterns[0]: must be a text, not ""'),
            ("rules", 0, {"employee": "ada"}, ": must name either a team or an employee"),
            ("rules", 0, {"team": None}, ": must name either a team or an employee"),
            ("rules", 0, {"level": None}, ".level: is missing: one of required, optional"),
            ("rules", 0, {"platform": "irc"}, '.platform: "irc" is not one of slack, telegram'),
            ("rules", 0, {"category": "x"}, '.category: there is no "x" in categories'),
            ("scope", 0, {"pattern": ""}, ".pattern: is missing"),
            ("scope", 0, {"employee": "ada"}, ".employee: goes with shared_with only"),
            ("scope", 1, {"employee": None}, ".employee: is missing"),
            ("scope", 1, {"employee": "eve"}, '.employee: there is no "eve" in employees'),
            (
                "scope",
                2,
                {"pattern": "("},
                '.pattern: "(" cannot be used: Not a regular expression: missing )',
            ),
            ("exclusions", 0, {"expires": "31.1.2027"}, ".expires: must be a date like 2027-01-31"),
            ("exclusions", 0, {"expires": "2027-02-30"}, ".expires: must be a date like 2027-01-31"),
            ("exclusions", 0, {"employee": None}, ": must name an employee, a kind, or both"),
            ("exclusions", 0, {"kind": "rude"}, '.kind: "rude" is not one of missing_required,'),
            ("exclusions", 0, {"reason": ""}, ".reason: must not be empty"),
        ],
    )
    def test_a_wrong_value(self, section: str, index: int, values: dict[str, Any], expected: str) -> None:
        assert problems(changed(section, index, **values))[0].startswith(f"{section}[{index}]{expected}")

    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            ({**EXAMPLE, "rules": None}, "rules: must be a list, not null"),
            ({**EXAMPLE, "teams": ["core"]}, 'teams[0]: must be an object, not "core"'),
            ({**EXAMPLE, "exlusions": []}, "exlusions: unknown key; did you mean exclusions?"),
            ({"teams": [], "employes": []}, "employes: unknown key; did you mean employees?"),
            ({"employes": []}, "employes: unknown key; did you mean employees?"),
            ({"internl_groups": []}, "internl_groups: unknown key; did you mean internal_groups?"),
            ({**EXAMPLE, "naming": EXAMPLE["naming"] * 2}, "naming[1].pattern: is the same as in naming[0]"),
        ],
    )
    def test_a_wrong_section(self, document: Any, expected: str) -> None:
        assert problems(document)[0].startswith(expected)

    @pytest.mark.parametrize("account", [{"slack_user_id": "U2"}, {"telegram_user_id": "4200000002"}])
    def test_two_employees_with_one_account(self, account: dict[str, str]) -> None:
        (field,) = account
        assert problems(changed("employees", 0, **account)) == (
            f"employees[1].{field}: is the same as in employees[0]",
        )

    def test_two_exclusions_for_the_same(self) -> None:
        document = {**EXAMPLE, "exclusions": EXAMPLE["exclusions"][:1] * 2}
        assert problems(document) == ("exclusions[1].group: is the same as in exclusions[0]",)

    def test_all_problems_are_found_at_once_and_the_first_are_told(self) -> None:
        entries = [{"key": key} for key in ("a", "b", "c", "d")]
        with pytest.raises(PolicyFileError) as caught:
            parse(as_bytes({"teams": entries}))
        assert len(caught.value.problems) == 4
        assert str(caught.value).endswith("teams[2].name: is missing (and 1 more)")

    def test_the_limits_are_those_of_the_database(self) -> None:
        def limit(model: Any, field: str) -> int:
            length: int = model._meta.get_field(field).max_length
            return length

        assert {limit(model, "key") for model in (Employee, Team, Category)} == {policy_file.MAX_KEY}
        assert {limit(Employee, field) for field in ("name", "title")} == {policy_file.MAX_NAME}
        assert {limit(model, "name") for model in (Team, Category)} == {policy_file.MAX_SHORT_NAME}
        assert limit(Employee, "email") == policy_file.MAX_EMAIL
        assert limit(ScopeLine, "pattern") == policy_file.MAX_PATTERN
        assert {limit(NamingRule, field) for field in ("pattern", "replacement")} == {policy_file.MAX_NAMING}
        usernames = {limit(Employee, field) for field in ("slack_username", "telegram_username")}
        assert usernames == {policy_file.MAX_USERNAME}
        ids = {limit(Employee, "slack_user_id"), limit(Exclusion, "group_external_id")}
        assert ids == {policy_file.MAX_ID}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
KEYS_IN_USE = st.sampled_from(
    sorted(
        {key for section in EXAMPLE.values() for entry in section for key in entry}
        | set(policy_file.SECTIONS)
        | set(policy_file.OLD_CATEGORIES)
    )
)
NEARLY = st.dictionaries(
    KEYS_IN_USE,
    st.lists(st.dictionaries(KEYS_IN_USE, JSON, max_size=6) | JSON, max_size=3) | JSON,
    max_size=4,
)


@given(JSON | NEARLY)
def test_any_json_is_a_policy_or_refused(value: Any) -> None:
    try:
        file = parse(as_bytes(value))
    except PolicyFileError as error:
        assert error.problems
        str(error).encode()  # printable on any terminal
    else:
        assert isinstance(file, PolicyFile | CategoryPatterns)


@given(st.binary())
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except PolicyFileError as error:
        assert error.problems


STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(STORABLE, min_size=1, max_size=8).filter(str.strip)
KEY = st.from_regex(KEY_PATTERN, fullmatch=True).filter(lambda key: len(key) <= policy_file.MAX_KEY)
USERNAME = st.none() | st.text("ada._-1", max_size=5)


PLATFORMS = st.sampled_from(Platform)


@st.composite
def policy_files(draw: st.DrawFn) -> PolicyFile:
    """Any policy that hangs together."""
    teams = draw(st.lists(st.builds(TeamEntry, KEY, TEXT), unique_by=lambda team: team.key, max_size=3))
    team_keys = st.sampled_from([team.key for team in teams]) if teams else st.nothing()
    employee = st.builds(
        EmployeeEntry,
        KEY,
        TEXT,
        st.just("") | TEXT,
        st.lists(team_keys, unique=True, max_size=len(teams)).map(tuple),
        st.sampled_from(EmployeeStatus),
        slack_username=USERNAME,
        telegram_user_id=st.none() | st.integers(1, policy_file.MAX_TELEGRAM_ID),
        telegram_username=USERNAME,
        email=st.none() | st.just("ada@example.com"),
    )
    employees = draw(
        st.lists(
            employee,
            unique_by=(lambda entry: entry.key, lambda entry: entry.telegram_user_id or entry.key),
            min_size=1,
            max_size=3,
        )
    )
    people = st.sampled_from([entry.key for entry in employees])
    patterns = st.lists(TEXT, max_size=2).map(tuple)
    category = st.builds(policy.Category, KEY, TEXT, st.booleans(), patterns=patterns)
    rule = st.builds(policy.Rule, PLATFORMS, st.sampled_from(Level), employee=people)
    by_name = st.builds(
        policy.ScopeLine,
        PLATFORMS,
        st.sampled_from([ScopeKind.INCLUDE, ScopeKind.EXCLUDE]),
        st.sampled_from([Match.CONTAINS, Match.EXACT]),
        TEXT,
    )
    by_person = st.builds(policy.ScopeLine, PLATFORMS, st.just(ScopeKind.SHARED_WITH), employee=people)
    naming = st.builds(policy.Naming, TEXT, TEXT)
    kinds = st.sampled_from(FindingKind)
    exclusion = st.builds(
        policy.Exclusion, PLATFORMS, TEXT, st.none() | people, kinds, TEXT, st.none() | st.dates()
    )
    return PolicyFile(
        employees=tuple(employees),
        teams=tuple(teams),
        categories=tuple(draw(st.lists(category, unique_by=lambda entry: entry.key, max_size=3))),
        rules=tuple(draw(st.lists(rule, unique=True, max_size=3))),
        scope=tuple(draw(st.lists(by_name | by_person, max_size=3))),
        naming=tuple(draw(st.lists(naming, unique_by=lambda entry: entry.pattern, max_size=2))),
        exclusions=tuple(draw(st.lists(exclusion, unique_by=lambda entry: entry.place, max_size=3))),
    )


@given(policy_files())
def test_what_is_written_is_read_back_equal(file: PolicyFile) -> None:
    assert parse(dump(file).encode()) == file


class TestTheOlderFile:
    """Names of groups by category, as the scripts before us had them."""

    def test_its_names_become_patterns_in_the_order_of_the_file(self) -> None:
        old = {
            "_comment": "what goes where",
            "description": "kept by hand",
            "internal_groups": ["Company", "Standup", "Company"],
            "marketing_groups": ["Press"],
            "special_groups": {"_note": "x", "War room": {"members": 3}, "Board": None},
        }
        assert parse(as_bytes(old)) == CategoryPatterns(
            (
                ("internal", "Internal", ("Company", "Standup")),
                ("marketing", "Marketing", ("Press",)),
                ("special", "Special", ("War room", "Board")),
            )
        )

    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            ({"marketing_groups": {}}, "marketing_groups: must be a list of texts, not {}"),
            ({"marketing_groups": [7]}, "marketing_groups[0]: must be a text, not 7"),
            ({"special_groups": ["x"]}, 'special_groups: must be an object, not ["x"]'),
            ({"intro_groups": [], "vip_groups": []}, "vip_groups: unknown key; did you mean intro_groups?"),
            ({"intro_groups": [], "teams": []}, "intro_groups: unknown key"),
        ],
    )
    def test_what_does_not_fit_is_named(self, document: Any, expected: str) -> None:
        assert problems(document)[0].startswith(expected)
