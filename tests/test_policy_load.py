"""`loadpolicy` and `dumppolicy`: what a policy file does to the database, and what it leaves alone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from members import policy_store
from members.models import (
    Category,
    Employee,
    EmployeeHandle,
    Exclusion,
    Group,
    MembershipRule,
    NamingRule,
    ScopeLine,
    Team,
)
from members.platforms.types import GroupKind, Platform, Privacy
from members.policy import EmployeeStatus, Handle, Level, Rule
from members.policy_file import dump
from members.policy_load import load
from members.services import load_policy

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)
MODELS = (Team, Employee, Category, MembershipRule, ScopeLine, NamingRule, Exclusion)


def employee(key: str, **values: Any) -> dict[str, Any]:
    return {
        "key": key,
        "name": f"{key.capitalize()} Example",
        "title": "",
        "teams": ["core"],
        "status": "active",
        "slack_user_id": None,
        "slack_username": key,
        "telegram_user_id": None,
        "telegram_username": None,
        "email": None,
        **values,
    }


def category(key: str, *patterns: str, default: bool = False) -> dict[str, Any]:
    return {
        "key": key,
        "name": key.capitalize(),
        "full_team": default,
        "default": default,
        "patterns": list(patterns),
    }


def exclusion(group: str, reason: str) -> dict[str, Any]:
    return {
        "platform": "slack",
        "group": group,
        "employee": "ada",
        "kind": None,
        "reason": reason,
        "expires": "2099-01-31",
    }


def required(team: str) -> dict[str, Any]:
    return {"platform": "slack", "team": team, "level": "required"}


def include(pattern: str) -> dict[str, Any]:
    return {"platform": "slack", "kind": "include", "match": "contains", "pattern": pattern}


EXAMPLE: dict[str, Any] = {
    "employees": [
        employee("ada", title="CEO", email="ada@example.com"),
        employee("bob", teams=["core", "bd"]),
    ],
    "teams": [{"key": "core", "name": "Core team"}, {"key": "bd", "name": "Business development"}],
    "categories": [category("intro", "intro"), category("customer", default=True)],
    "rules": [required("core"), {"platform": "telegram", "employee": "ada", "level": "optional"}],
    "scope": [include("bitsafe"), {"platform": "telegram", "kind": "shared_with", "employee": "ada"}],
    "naming": [{"pattern": "iBTC", "replacement": "BitSafe (CBTC)"}],
    "exclusions": [exclusion("C1", "customer asked")],
}


def apply(dry_run: bool = False, **sections: Any) -> list[str]:
    """Load a file with these sections; what it did, line by line."""
    changes = load(json.dumps(sections).encode(), reason="policy.json", dry_run=dry_run)
    return [str(change) for change in changes.entries]


def stored() -> Any:
    """The policy in the database as the JSON of a policy file."""
    return json.loads(dump(policy_store.read()))


def everything() -> dict[str, list[Any]]:
    """Every row of the policy and of its history, with all columns."""
    managers = [manager for model in MODELS for manager in (model.objects, model.history)]
    return {str(manager.model): list(manager.order_by("pk").values()) for manager in managers}


def pinned_group(category_key: str) -> Group:
    return Group.objects.create(
        platform=Platform.SLACK,
        external_id="C1",
        name="acme",
        kind=GroupKind.CHANNEL,
        privacy=Privacy.PRIVATE,
        category=Category.objects.get(key=category_key),
        category_pinned=True,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )


class TestRoundTrip:
    def test_what_is_loaded_is_what_is_dumped(self) -> None:
        apply(**EXAMPLE)
        assert stored() == EXAMPLE

    def test_loading_what_is_there_changes_nothing(self) -> None:
        apply(**EXAMPLE)
        before = everything()
        assert apply(**stored()) == []
        assert everything() == before

    def test_nor_does_it_when_audits_and_people_have_been_at_work(self) -> None:
        apply(**EXAMPLE)
        Employee.objects.filter(key="ada").update(slack_user_id="U1", telegram_user_id=42)
        Category.objects.filter(key="intro").update(position=10)
        Category.objects.filter(key="customer").update(position=20)
        pinned_group("intro")
        before = everything()
        assert apply(**stored()) == []
        assert everything() == before

    def test_the_commands_do_the_same_with_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source, target, report = tmp_path / "policy.json", tmp_path / "again.json", tmp_path / "report.json"
        source.write_text(json.dumps(EXAMPLE))
        call_command("loadpolicy", source, json=report)
        assert json.loads(report.read_text())["counts"]["created"] == 12
        call_command("dumppolicy", target)
        assert json.loads(target.read_text()) == EXAMPLE
        capsys.readouterr()
        call_command("dumppolicy")
        assert capsys.readouterr().out == target.read_text()
        call_command("loadpolicy", target)
        assert capsys.readouterr().out == "Policy loaded: 12 unchanged.\n"

    def test_a_dry_run_is_told_as_what_would_be(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        apply(**EXAMPLE)
        source = tmp_path / "policy.json"
        source.write_text('{"teams": [{"key": "core", "name": "The core"}, {"key": "new", "name": "New"}]}')
        call_command("loadpolicy", source, "--dry-run")
        assert capsys.readouterr().out.splitlines() == [
            "would update team core: name Core team → The core",
            "would create team new",
            "would keep team bd: not in the file, but named by 1 employee",
            "Dry run, nothing was changed: 1 would be created, 1 would be updated, 1 would be kept.",
        ]

    def test_it_can_be_brief(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = tmp_path / "policy.json"
        source.write_text(json.dumps({"teams": EXAMPLE["teams"]}))
        call_command("loadpolicy", source, verbosity=0)
        assert capsys.readouterr().out == "Policy loaded: 2 created.\n"


class TestWhatAFileCannotDo:
    def test_a_dry_run_tells_and_changes_nothing(self) -> None:
        apply(**EXAMPLE)
        before = everything()
        planned = apply(dry_run=True, teams=[{"key": "core", "name": "The core"}])
        assert planned == [
            "updated team core: name Core team → The core",
            "kept team bd: not in the file, but named by 1 employee",
        ]
        assert everything() == before

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"teams": [\n  {"key": core}]}', "line 2, column 11"),
            ('{"teams": [{"key": "new", "name": "New"}], "rules": [{}]}', "rules[0].platform: is missing"),
        ],
    )
    def test_a_malformed_file_changes_nothing_and_is_a_usage_error(
        self, tmp_path: Path, text: str, expected: str
    ) -> None:
        path = tmp_path / "policy.json"
        path.write_text(text)
        with pytest.raises(CommandError) as caught:
            call_command("loadpolicy", path)
        assert caught.value.returncode == 2
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not Team.objects.exists()

    def test_a_missing_file_is_a_usage_error(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"Cannot read .*gone.json: No such file") as caught:
            call_command("loadpolicy", tmp_path / "gone.json")
        assert caught.value.returncode == 2

    def test_sections_that_it_lacks_are_left_alone(self) -> None:
        apply(**EXAMPLE)
        apply(naming=[])
        assert stored() == {**EXAMPLE, "naming": []}


class TestPeople:
    def test_they_become_what_the_file_says(self) -> None:
        apply(**EXAMPLE)
        people = [employee("ada", status="optional", teams=["bd"]), employee("bob", teams=["core", "bd"])]
        assert apply(employees=people) == [
            "updated employee ada: title CEO → none, status active → optional, "
            "email ada@example.com → none, teams core → bd"
        ]
        assert stored()["employees"] == people

    def test_who_vanishes_from_the_file_is_removed(self) -> None:
        apply(**EXAMPLE)
        assert apply(employees=EXAMPLE["employees"][:1]) == ["removed employee bob"]
        assert stored() == {**EXAMPLE, "employees": EXAMPLE["employees"][:1]}

    def test_unless_something_outside_the_file_names_them(self) -> None:
        apply(**EXAMPLE)
        assert apply(employees=EXAMPLE["employees"][1:]) == [
            "kept employee ada: not in the file, but named by 1 rule, 1 scope line, 1 exclusion"
        ]
        assert stored() == EXAMPLE

    def test_or_the_file_takes_away_what_names_them(self) -> None:
        apply(**EXAMPLE)
        apply(employees=EXAMPLE["employees"][1:], rules=[], scope=[], exclusions=[])
        assert not Employee.objects.filter(key="ada").exists()

    def test_the_history_tells_which_file_it_was(self) -> None:
        apply(**EXAMPLE)
        reasons = Employee.history.values_list("history_change_reason", flat=True)
        assert set(reasons) == {"policy.json"}


class TestAccounts:
    """What audits learnt about accounts outlives a file that does not know it."""

    @pytest.fixture(autouse=True)
    def ada(self) -> None:
        apply(**EXAMPLE)
        Employee.objects.filter(key="ada").update(slack_user_id="U1", slack_username="ada")

    def account(self, key: str = "ada") -> tuple[str | None, str]:
        row = Employee.objects.get(key=key)
        return row.slack_user_id, row.slack_username

    def load(self, *people: dict[str, Any]) -> list[str]:
        named = {person["key"] for person in people}
        rest = [person for person in EXAMPLE["employees"] if person["key"] not in named]
        return apply(employees=[*people, *rest])

    def test_a_learnt_id_stays(self) -> None:
        self.load(employee("ada"))
        assert self.account() == ("U1", "ada")

    def test_another_username_means_that_the_account_is_to_be_found_again(self) -> None:
        self.load(employee("ada", slack_username="ada.new"))
        assert self.account() == (None, "ada.new")

    def test_another_spelling_of_the_username_does_not(self) -> None:
        self.load(employee("ada", slack_username="@Ada"))
        assert self.account() == ("U1", "Ada")

    def test_a_username_that_the_file_leaves_open_stays(self) -> None:
        self.load(employee("ada", slack_username=None))
        assert self.account() == ("U1", "ada")

    def test_an_empty_one_takes_it_away(self) -> None:
        self.load(employee("ada", slack_username=""))
        assert self.account() == (None, "")

    def test_a_file_older_than_a_change_of_username_does_not_bring_the_old_one_back(self) -> None:
        Employee.objects.filter(key="ada").update(slack_username="ada.lovely")
        EmployeeHandle.objects.create(
            employee=Employee.objects.get(key="ada"),
            platform=Platform.SLACK,
            username="ada",
            first_seen_at=NOW,
            last_seen_at=NOW,
        )
        done = self.load(employee("ada"))
        assert self.account() == ("U1", "ada.lovely")
        assert "kept employee ada: Slack username ada.lovely (the file has the older ada)" in done

    def test_an_id_in_the_file_wins(self) -> None:
        self.load(employee("ada", slack_user_id="U7"))
        assert self.account() == ("U7", "ada")

    def test_ids_can_be_swapped(self) -> None:
        self.load(employee("ada", slack_user_id="U1"), employee("bob", slack_user_id="U2"))
        self.load(employee("ada", slack_user_id="U2"), employee("bob", slack_user_id="U1"))
        assert (self.account("ada"), self.account("bob")) == (("U2", "ada"), ("U1", "bob"))

    def test_an_id_that_the_file_gives_to_somebody_else_is_taken_away(self) -> None:
        self.load(employee("ada"), employee("bob", slack_user_id="U1"))
        assert (self.account("ada"), self.account("bob")) == ((None, "ada"), ("U1", "bob"))


class TestCategories:
    @pytest.fixture(autouse=True)
    def loaded(self) -> None:
        apply(**EXAMPLE)

    def test_the_order_of_the_file_is_the_order_of_trial(self) -> None:
        order = [category("customer", default=True), category("press", "press"), category("intro", "intro")]
        apply(categories=order)
        assert [found.key for found in load_policy().categories] == ["customer", "press", "intro"]

    def test_the_default_can_move(self) -> None:
        categories = [category("intro", "intro", default=True), category("customer")]
        apply(categories=categories)
        assert stored()["categories"] == categories

    def test_one_with_pinned_groups_is_kept_and_tried_last(self) -> None:
        pinned_group("intro")
        categories = [category("press", "press"), category("customer", default=True)]
        assert "kept category intro: not in the file, but named by 1 pinned group" in apply(
            categories=categories
        )
        loaded = load_policy()
        assert [found.key for found in loaded.categories] == ["press", "customer", "intro"]
        assert loaded.pinned_categories == {(Platform.SLACK, "C1"): "intro"}

    def test_a_kept_default_makes_room_for_the_files(self) -> None:
        pinned_group("customer")
        apply(categories=[category("other", default=True)])
        assert [found.key for found in load_policy().categories if found.default] == ["other"]


class TestLines:
    """Rules, scope, naming: equal to the file, in its order, and no more is rewritten than must be."""

    @pytest.mark.parametrize("wanted", ["abc", "bc", "ac", "cab", "abcd", "dabc", "aab", "", "xyz"])
    def test_any_list_becomes_any_other(self, wanted: str) -> None:
        apply(scope=[include(letter) for letter in "abc"])
        apply(scope=[include(letter) for letter in wanted])
        assert stored()["scope"] == [include(letter) for letter in wanted]

    def test_rows_in_their_old_order_are_not_touched(self) -> None:
        apply(scope=[include(letter) for letter in "abc"])
        kept = list(ScopeLine.objects.exclude(pattern="b").values_list("pk", flat=True))
        done = apply(scope=[include(letter) for letter in "acd"])
        assert done == [
            "removed scope line Slack: include contains “b”",
            "created scope line Slack: include contains “d”",
        ]
        assert list(ScopeLine.objects.values_list("pk", flat=True))[:2] == kept

    def test_a_naming_rule_can_change_its_replacement(self) -> None:
        apply(naming=[{"pattern": "iBTC", "replacement": "CBTC"}])
        apply(naming=[{"pattern": "iBTC", "replacement": "BitSafe"}])
        assert stored()["naming"] == [{"pattern": "iBTC", "replacement": "BitSafe"}]

    def test_an_exclusion_stays_the_one_that_was_granted(self) -> None:
        apply(**EXAMPLE)
        Exclusion.objects.update(granted_by="owner")
        apply(exclusions=[exclusion("C1", "asked again"), exclusion("C2", "new")])
        granted = Exclusion.objects.values_list("group_external_id", "reason", "granted_by")
        assert sorted(granted) == [("C1", "asked again", "owner"), ("C2", "new", "policy.json")]
        assert apply(exclusions=[]) == [
            "removed exclusion of Ada Example in C1",
            "removed exclusion of Ada Example in C2",
        ]


class TestTheOlderFile:
    OLD: ClassVar[dict[str, Any]] = {"marketing_groups": ["Press"], "special_groups": {"War room": 1}}

    def test_it_brings_its_patterns_and_a_default(self) -> None:
        apply(**self.OLD)
        assert stored()["categories"] == [
            {"key": "customer", "name": "BD Customer", "full_team": True, "default": True, "patterns": []},
            category("marketing", "Press"),
            category("special", "War room"),
        ]

    def test_it_replaces_patterns_and_leaves_everything_else(self) -> None:
        apply(**EXAMPLE)
        apply(intro_groups=["Meet"], internal_groups=["Company"])
        intro = {**category("intro", "Meet")}
        customer = category("customer", default=True)
        assert stored() == {**EXAMPLE, "categories": [intro, customer, category("internal", "Company")]}

    def test_loading_it_again_changes_nothing(self) -> None:
        apply(**self.OLD)
        before = everything()
        assert apply(**self.OLD) == []
        assert everything() == before


class TestLoadPolicy:
    """The policy as the audit gets it."""

    def test_it_says_what_the_rows_say(self) -> None:
        apply(**EXAMPLE)
        loaded = load_policy()
        ada, bob = loaded.people
        assert (ada.key, ada.status, ada.email) == ("ada", EmployeeStatus.ACTIVE, "ada@example.com")
        assert ada.handles == {Platform.SLACK: Handle(None, "ada"), Platform.TELEGRAM: Handle()}
        assert bob.teams == {"core", "bd"}
        assert loaded.rules[0] == Rule(Platform.SLACK, Level.REQUIRED, team="core")
        assert loaded.exclusions[0].expires == date(2099, 1, 31)

    def test_it_costs_the_same_for_few_rows_and_for_many(
        self, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        apply(**EXAMPLE)
        with django_assert_max_num_queries(20) as few:
            load_policy()
        people = [employee(f"e{number}") for number in range(30)]
        rules = [{"platform": "slack", "employee": person["key"], "level": "required"} for person in people]
        excluded = [{**exclusion(person["key"], "x"), "employee": person["key"]} for person in people]
        apply(
            **{**EXAMPLE, "employees": EXAMPLE["employees"] + people, "rules": rules, "exclusions": excluded}
        )
        with django_assert_max_num_queries(len(few)):
            assert len(load_policy().people) == 32


def test_a_rule_that_stands_twice_in_the_file_is_one_rule() -> None:
    rule = {"platform": "slack", "team": "core", "level": "required"}
    document = {"teams": [{"key": "core", "name": "Core"}], "rules": [rule, rule]}

    changes = load(json.dumps(document).encode(), reason="test")

    assert changes.counts()["created"] == 2, "the team and the rule"
    assert MembershipRule.objects.count() == 1
