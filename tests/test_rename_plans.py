"""New names for groups: what patterns, rules and mappings make of the old ones, and what is left alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.operations.pace import Pace
from members.operations.plan import Plan
from members.patterns import PatternTrouble
from members.platforms.slack_names import channel_name
from members.platforms.types import Platform
from members.policy import Match, Naming, matches, outdated_part
from telegram_ops.new_names import (
    by_regex,
    by_rules,
    by_text,
    doubled_words,
    problem_of,
    replaced,
    spelt,
)
from telegram_ops.rename_plans import Candidate, Wish, draw_up, wishes_in, wishes_of
from telegram_ops.rename_selections import (
    Change,
    MappingTrouble,
    RenameSelection,
    Way,
    read_mapping,
)

SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM
REBRANDING = Naming("iBTC", "BitSafe (CBTC)")
ASCII = st.text("aAbBcC(", max_size=30)
TITLES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def chat(id: str, name: str, **fields: Any) -> Candidate:
    return Candidate(TELEGRAM, id, name, **fields)


def channel(id: str, name: str, **fields: Any) -> Candidate:
    return Candidate(SLACK, id, name, **fields)


def plan(*wishes: Wish, beside: tuple[Candidate, ...] = ()) -> Plan:
    everybody = [wish.group for wish in wishes] + list(beside)
    return draw_up(wishes, everybody, parameters={}, reach=len(wishes))


def renamed(plan: Plan) -> dict[str, tuple[str, str]]:
    """Group id → (old name, new name)."""
    return {step.target.group_id: (step.arguments["old"], step.arguments["new"]) for step in plan.steps}


def reasons(plan: Plan) -> dict[str, str]:
    return {line.target.group_id: line.reason for line in plan.skipped}


class TestNewNames:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Acme <> iBTC", "Acme <> BitSafe (CBTC)"),
            ("IBTC ibtc", "BitSafe (CBTC) BitSafe (CBTC)"),
            ("Acme", None),
        ],
    )
    def test_naming_rules_replace_the_deprecated_part_whatever_its_case(
        self, old: str, new: str | None
    ) -> None:
        assert by_rules([REBRANDING])(old) == new

    def test_a_plain_pattern_means_nothing_but_itself(self) -> None:
        rename = by_text("(a+)", r"\1 & more")
        assert rename("x (A+) y") == r"x \1 & more y"
        assert rename("aa") is None

    def test_a_regular_expression_has_groups(self) -> None:
        rename = by_regex(r"^(\w+) ibtc (?P<what>.*)$", r"\g<what>: \1")
        assert rename("Acme iBTC Desk") == "Desk: Acme"
        assert rename("Acme Desk") is None

    @pytest.mark.parametrize(
        ("pattern", "replacement", "said"),
        [
            ("(", "x", "Not a regular expression: missing )"),
            ("a", r"\2", "The replacement cannot be filled in: invalid group reference"),
            ("", "x", "Say which part of the names shall be replaced."),
            ("a" * 201, "x", "At most 200 characters"),
            ("((x{1000}){1000}){1000}y{0}", "x", "The regular expression repeats its parts too often"),
            ("a|(?R)*", "x", "A regular expression that repeats itself"),
        ],
    )
    def test_what_cannot_be_used_is_said_in_plain_words(
        self, pattern: str, replacement: str, said: str
    ) -> None:
        with pytest.raises(PatternTrouble, match="^" + said.replace("(", r"\(").replace(")", r"\)")):
            by_regex(pattern, replacement)("a")

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("acme-ibtc-bitsafe", "acme-bitsafe-cbtc-bitsafe", ("bitsafe",)),
            ("iBTC iBTC", "BitSafe (CBTC) BitSafe (CBTC)", ("bitsafe", "cbtc")),
            ("Acme Acme iBTC", "Acme Acme BitSafe", ()),
            ("a iBTC a", "a BitSafe a", ()),
        ],
    )
    def test_words_that_come_out_twice_are_found(self, old: str, new: str, words: tuple[str, ...]) -> None:
        assert doubled_words(old, new) == words

    def test_a_catastrophic_pattern_gives_up_by_itself(self) -> None:
        rename = by_regex(r"(a|aa)+$", "x", patience=0.05)
        with pytest.raises(PatternTrouble, match="takes too long"):
            rename("a" * 127 + "!")

    @given(TITLES, st.text(min_size=1, max_size=6))
    def test_a_part_is_found_exactly_where_the_policy_sees_it(self, name: str, part: str) -> None:
        assert (replaced(name, part, "") is not None) == matches(name, Match.CONTAINS, part)

    @given(ASCII, st.text("aAbB(", min_size=1, max_size=3), TITLES)
    def test_a_part_is_replaced_as_a_regular_expression_would(
        self, name: str, part: str, replacement: str
    ) -> None:
        expected, count = re.subn(re.escape(part), lambda _: replacement, name, flags=re.IGNORECASE)
        assert replaced(name, part, replacement) == (expected if count else None)

    @given(TITLES)
    def test_what_the_rules_have_renamed_is_not_deprecated_any_more(self, name: str) -> None:
        new = by_rules([REBRANDING])(name + " iBTC")
        assert new is not None
        assert outdated_part(new, [REBRANDING]) is None


class TestSpelling:
    def test_each_platform_has_its_own(self) -> None:
        assert spelt(SLACK, "Acme - BitSafe (CBTC)!") == "acme-bitsafe-cbtc"
        assert spelt(TELEGRAM, "  Acme \n BitSafe ") == "Acme BitSafe"

    @pytest.mark.parametrize(
        ("platform", "name", "said"),
        [
            (TELEGRAM, "x" * 128, ""),
            (TELEGRAM, "x" * 129, "The new name is too long: Telegram takes 128 characters."),
            (SLACK, "x" * 80, ""),
            (SLACK, "x" * 81, "The new name is too long: Slack takes 80 characters."),
            (TELEGRAM, "", "Nothing would be left of the name."),
            (TELEGRAM, "\u200b", "Nothing would be left of the name."),
            (TELEGRAM, "a\u202eb", "The new name has invisible control characters in it."),
            (TELEGRAM, "Family 👩‍👩‍👧", ""),
        ],
    )
    def test_what_a_platform_does_not_take(self, platform: Platform, name: str, said: str) -> None:
        assert problem_of(platform, name) == said

    @given(TITLES)
    def test_a_name_that_slack_takes_is_what_the_writer_sends(self, name: str) -> None:
        new = spelt(SLACK, name)
        assert problem_of(SLACK, new) or channel_name(new) == new


class TestPlans:
    def test_each_group_keeps_its_old_name_beside_the_new_one(self) -> None:
        made = plan(Wish(chat("2", "Zeta iBTC"), "Zeta"), Wish(channel("C1", "acme-ibtc"), "Acme BitSafe"))
        assert renamed(made) == {"C1": ("acme-ibtc", "acme-bitsafe"), "2": ("Zeta iBTC", "Zeta")}

    def test_what_keeps_its_name_is_named_with_the_reason(self) -> None:
        made = plan(
            Wish(chat("1", "Same"), " Same "),
            Wish(chat("2", "Long"), "x" * 200),
            Wish(chat("3", "Mine", obstacle="Our account may not rename it."), "Yours"),
        )
        assert made.steps == ()
        assert reasons(made) == {
            "1": "The name would stay as it is.",
            "2": "The new name is too long: Telegram takes 128 characters.",
            "3": "Our account may not rename it.",
        }

    def test_on_slack_a_name_is_one_channels_alone(self) -> None:
        made = plan(
            Wish(channel("C1", "acme-ibtc"), "acme"),
            Wish(channel("C2", "globex-ibtc"), "globex"),
            Wish(channel("C3", "globex-btc"), "Globex"),
            Wish(channel("C4", "initech", obstacle="The group is archived."), "globex"),
            beside=(channel("C9", "acme"),),
        )
        assert made.steps == ()
        assert reasons(made)["C1"] == "“acme” is the name of another channel (C9): choose another name."
        assert (
            reasons(made)["C2"]
            == reasons(made)["C3"]
            == ("2 channels would be called “globex”: names on Slack are unique.")
        )

    def test_on_telegram_equal_titles_are_no_trouble(self) -> None:
        made = plan(Wish(chat("1", "a"), "Acme"), Wish(chat("2", "b"), "Acme"), beside=(chat("3", "Acme"),))
        assert len(made.steps) == 2

    def test_only_groups_that_were_named_are_told_that_a_pattern_is_not_theirs(self) -> None:
        groups = [chat("1", "Acme"), chat("2", "Globex iBTC")]
        rename = by_text("ibtc", "BitSafe")
        assert reasons(plan(*wishes_of(groups, rename, named=False))) == {}
        assert reasons(plan(*wishes_of(groups, rename, named=True))) == {
            "1": "The name has nothing in it that would be replaced."
        }

    @given(st.lists(st.tuples(st.sampled_from(Platform), TITLES, TITLES), max_size=8))
    def test_whatever_is_wished_every_group_is_answered_once_and_slack_names_stay_unique(
        self, wanted: list[tuple[Platform, str, str]]
    ) -> None:
        groups = [Candidate(platform, str(at), name) for at, (platform, name, _) in enumerate(wanted)]
        made = plan(*(Wish(group, new) for group, (_, _, new) in zip(groups, wanted, strict=True)))
        answered = [step.target.group_id for step in made.steps] + [
            line.target.group_id for line in made.skipped
        ]
        assert sorted(answered) == sorted(group.id for group in groups)
        new_names = {step.target.group_id: step.arguments["new"] for step in made.steps}
        on_slack = [
            new_names.get(group.id, group.name)
            for group in groups
            if group.platform is SLACK and group.id in new_names
        ]
        assert len(on_slack) == len(set(on_slack))
        assert not any(problem_of(step.target.platform, step.arguments["new"]) for step in made.steps)


class TestMappings:
    GROUPS = (
        chat("7", "Acme"),
        chat("8", "Twins"),
        chat("9", "twins"),
        channel("C1", "acme-ibtc"),
        chat("10", "8"),
    )

    def wishes(self, **mapping: str) -> tuple[dict[str, str], dict[str, str]]:
        wishes, lost = wishes_in(mapping, self.GROUPS)
        return {wish.group.id: wish.needless or wish.name for wish in wishes}, lost

    def test_a_word_is_an_id_or_a_title_as_written_or_whatever_its_case(self) -> None:
        found, lost = self.wishes(**{"ACME": "A", "telegram:8": "B", "twins": "C", "#acme-ibtc": "D"})
        assert (found, lost) == ({"7": "A", "8": "B", "9": "C", "C1": "D"}, {})

    def test_what_may_mean_two_groups_means_neither_and_names_both(self) -> None:
        found, lost = self.wishes(**{"TWINS": "x", "8": "y", "Nobody": "z"})
        assert found == {}
        assert lost == {
            "TWINS": "2 groups are called so: write the id (telegram:8, telegram:9).",
            "8": "2 groups are called so: write the id (telegram:8, telegram:10).",
            "Nobody": "No audit has seen a group of this name or id: look whether it is spelt so.",
        }

    def test_a_group_that_is_given_two_names_keeps_its_own(self) -> None:
        found, _ = self.wishes(**{"Acme": "x", "7": "y"})
        assert found == {"7": "The mapping gives it different names: “Acme” and “7”."}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[]", "must be an object"),
            ("{}", "it is empty"),
            ('{"a": 1}', "a: must be a text, not 1"),
            ('{"a": " "}', "a: must not be empty"),
            ('{"a": "b", "a": "c"}', 'the key "a" stands twice'),
            ('{"a": "b"', "line 1, column 10"),
        ],
    )
    def test_a_malformed_file_says_where(self, text: str, said: str) -> None:
        with pytest.raises(MappingTrouble) as trouble:
            read_mapping(text.encode())
        assert said in str(trouble.value)

    @given(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9), max_size=4))
    def test_a_selection_survives_being_stored(self, mapping: dict[str, str]) -> None:
        selection = RenameSelection(
            Way.MAPPING,
            mapping=mapping,
            changes=(Change(SLACK, "C1", "a", "b"),),
            platforms=(SLACK,),
            groups=((TELEGRAM, "7"),),
            names=("Acme",),
            category="customer",
        )
        stored = json.loads(json.dumps(selection.as_parameters()))
        assert RenameSelection.from_parameters(stored) == selection


class TestPace:
    TEN_IN_15_MINUTES = Pace(10, 900.0, "")

    @pytest.mark.parametrize(
        ("count", "ages", "start", "seconds"),
        [
            (0, [], 0.0, 0.0),
            (10, [], 0.0, 0.0),
            (11, [], 0.0, 900.0),
            (40, [], 0.0, 2700.0),
            (1, [300.0] * 10, 0.0, 600.0),
            (11, [300.0] * 10, 0.0, 1500.0),
            (1, [1000.0] * 10, 0.0, 0.0),
            (1, [], 120.0, 120.0),
        ],
    )
    def test_the_time_that_a_limit_leaves(
        self, count: int, ages: list[float], start: float, seconds: float
    ) -> None:
        assert self.TEN_IN_15_MINUTES.seconds_for(count, ages, start=start) == seconds

    @given(st.integers(1, 60), st.lists(st.floats(0, 2000), max_size=12))
    def test_more_steps_never_take_less(self, count: int, ages: list[float]) -> None:
        pace = self.TEN_IN_15_MINUTES
        assert pace.seconds_for(count, ages) <= pace.seconds_for(count + 1, ages)
