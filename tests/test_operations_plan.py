"""Plans as data: what a hash promises, what a cap counts, which steps share a call, what an end comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.operations.plan import Cap, Plan, PlannedStep, Target, Unit, batches
from members.operations.states import LEFT, OperationState, StepState, conclusion
from members.platforms.types import Platform

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
IDS = st.sampled_from(["1", "2", "3"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
TARGETS = st.builds(Target, st.sampled_from(Platform), IDS, WORDS, IDS, WORDS, IDS)
STEPS = st.builds(
    PlannedStep, st.sampled_from(["add", "remove"]), TARGETS, st.dictionaries(WORDS, JSON, max_size=2)
)
PLANS = st.builds(Plan, st.sampled_from(["additions", "removals"]), st.lists(STEPS, max_size=5).map(tuple))
SAID_OF_A_STEP = st.sampled_from(["verb", "platform", "group_id", "subject", "user_id", "arguments"])


def step(user: str = "U1", group: str = "C1", *, platform: Platform = Platform.SLACK) -> PlannedStep:
    return PlannedStep("add", Target(platform, group, "name", user, "Name", user))


class TestHash:
    @given(PLANS)
    def test_is_the_same_for_the_same_plan(self, plan: Plan) -> None:
        again = Plan(plan.kind, tuple(replace(each, arguments=dict(each.arguments)) for each in plan.steps))
        assert plan.hash == again.hash
        assert len(plan.hash) == 16

    @given(PLANS, STEPS)
    def test_changes_with_a_step_more_or_less(self, plan: Plan, extra: PlannedStep) -> None:
        assert replace(plan, steps=(*plan.steps, extra)).hash != plan.hash

    @given(st.lists(STEPS, min_size=2, max_size=5, unique_by=repr), st.randoms(use_true_random=False))
    def test_changes_with_the_order(self, steps: list[PlannedStep], random: Any) -> None:
        """Two steps may differ in their names alone, which decide nothing: those may change places."""
        shuffled = steps.copy()
        random.shuffle(shuffled)

        def decisive(each: PlannedStep) -> PlannedStep:
            return replace(each, target=replace(each.target, group_name="", subject_name=""))

        same = list(map(decisive, steps)) == list(map(decisive, shuffled))
        assert (Plan("additions", tuple(steps)).hash == Plan("additions", tuple(shuffled)).hash) is same

    @given(PLANS.filter(lambda plan: plan.count > 0), SAID_OF_A_STEP, st.data())
    def test_changes_with_anything_that_a_step_says(self, plan: Plan, said: str, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, plan.count - 1))
        old = plan.steps[at]
        match said:
            case "verb":
                new = replace(old, verb=old.verb + "!")
            case "arguments":
                new = replace(old, arguments={**old.arguments, "one more": True})
            case "platform":
                other = next(platform for platform in Platform if platform is not old.target.platform)
                new = replace(old, target=replace(old.target, platform=other))
            case _:
                new = replace(old, target=replace(old.target, **{said: getattr(old.target, said) + "!"}))
        steps = (*plan.steps[:at], new, *plan.steps[at + 1 :])
        assert replace(plan, steps=steps).hash != plan.hash

    @given(PLANS)
    def test_does_not_hang_on_names_nor_on_what_was_asked_for(self, plan: Plan) -> None:
        renamed = tuple(
            replace(each, target=replace(each.target, group_name="renamed", subject_name="married"))
            for each in plan.steps
        )
        assert Plan(plan.kind, renamed, parameters={"other": 1}, reach=9).hash == plan.hash

    @given(PLANS)
    def test_changes_with_the_kind(self, plan: Plan) -> None:
        assert replace(plan, kind="kicks").hash != plan.hash


def test_a_plan_names_the_platforms_it_writes_to() -> None:
    plan = Plan("additions", (step(platform=Platform.TELEGRAM), step(), step("U2")))

    assert plan.platforms == (Platform.SLACK, Platform.TELEGRAM)
    assert Plan("additions", ()).platforms == ()


class TestCap:
    PLAN = Plan("removals", tuple(step(user, group) for user in ("U1", "U2", "U3") for group in ("C1", "C2")))

    @pytest.mark.parametrize(("unit", "size"), [(Unit.PEOPLE, 3), (Unit.GROUPS, 2), (Unit.STEPS, 6)])
    def test_counts_people_groups_or_steps(self, unit: Unit, size: int) -> None:
        assert Cap(unit, count=size).exceeded_by(self.PLAN) == ""
        assert str(size) in Cap(unit, count=size - 1).exceeded_by(self.PLAN)

    def test_without_a_limit_allows_everything(self) -> None:
        assert Cap().exceeded_by(self.PLAN) == ""

    def test_of_nothing_allows_nothing(self) -> None:
        assert Cap(count=0).exceeded_by(self.PLAN)
        assert Cap(count=0).exceeded_by(Plan("removals", ())) == ""

    def test_counts_an_employee_on_two_platforms_once(self) -> None:
        both = Plan(
            "removals",
            (
                PlannedStep("remove", Target(Platform.SLACK, "C1", "acme", "ada", "Ada Example", "U0ADA")),
                PlannedStep("remove", Target(Platform.TELEGRAM, "77", "acme", "ada", "Ada Example", "701")),
            ),
        )
        assert Cap(Unit.PEOPLE, count=1).exceeded_by(both) == ""

    @pytest.mark.parametrize("subject", ["", "7"])
    def test_counts_strangers_on_two_platforms_as_two(self, subject: str) -> None:
        """Their ids are those of their platforms, and mean nobody on another one."""
        alike = [PlannedStep("remove", Target(each, "1", "acme", subject, "", "7")) for each in Platform]
        assert "2 people" in Cap(Unit.PEOPLE, count=1).exceeded_by(Plan("removals", tuple(alike)))

    @given(st.integers(1, 100), st.integers(1, 100), st.floats(0.01, 1))
    def test_limits_the_share_of_all_targets(self, size: int, reach: int, share: float) -> None:
        plan = Plan("kicks", tuple(step(str(number)) for number in range(size)), reach=reach)
        assert bool(Cap(Unit.PEOPLE, share=share).exceeded_by(plan)) is (size > share * reach)


class TestBatches:
    @given(st.lists(STEPS, max_size=12), st.integers(1, 4))
    def test_hold_every_step_once_and_in_order(self, steps: list[PlannedStep], size: int) -> None:
        found = batches(steps, size)
        assert [each for batch in found for each in batch] == steps
        assert all(1 <= len(batch) <= size for batch in found)

    @given(st.lists(STEPS, max_size=12), st.integers(1, 4))
    def test_share_verb_group_and_arguments(self, steps: list[PlannedStep], size: int) -> None:
        for batch in batches(steps, size):
            calls = [(each.verb, each.target.platform, each.target.group_id) for each in batch]
            assert len(set(calls)) == 1
            assert all(dict(each.arguments) == dict(batch[0].arguments) for each in batch)

    @given(st.lists(STEPS, max_size=12), st.integers(1, 4))
    def test_are_as_few_as_the_order_allows(self, steps: list[PlannedStep], size: int) -> None:
        found = batches(steps, size)
        for one, following in zip(found, found[1:], strict=False):
            assert len(one) == size or len(batches([one[-1], following[0]], 2)) == 2


class TestConclusion:
    @pytest.mark.parametrize(
        ("states", "expected"),
        [
            ({StepState.DONE}, OperationState.DONE),
            ({StepState.SKIPPED}, OperationState.DONE),
            ({StepState.DONE, StepState.SKIPPED}, OperationState.DONE),
            ({StepState.DONE, StepState.FAILED}, OperationState.PARTIAL),
            ({StepState.SKIPPED, StepState.NOT_TRIED}, OperationState.PARTIAL),
            ({StepState.FAILED}, OperationState.FAILED),
            ({StepState.NOT_TRIED}, OperationState.FAILED),
        ],
    )
    def test_of(self, states: set[StepState], expected: OperationState) -> None:
        assert conclusion(states) is expected

    @given(st.sets(st.sampled_from(sorted(set(StepState) - LEFT)), min_size=1))
    def test_is_done_only_when_nothing_is_missing(self, states: set[StepState]) -> None:
        complete = states <= {StepState.DONE, StepState.SKIPPED}
        assert (conclusion(states) is OperationState.DONE) is complete
