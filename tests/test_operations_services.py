"""What may be done with an operation in which state; confirmations are for one plan, once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from members.management.writing import command_line_actor
from members.operations import activity, custody, kinds, services
from members.operations.models import ActivityEvent, Operation, Relation, Trigger
from members.operations.plan import Cap, Plan, Skipped, Unit
from members.operations.services import Actor, OperationRefused, PlanOutdated
from members.operations.states import OperationState, StepState
from tests.operations_world import (
    ADDITION,
    CONFIRMER,
    PLANNER,
    REMOVAL,
    Desk,
    everybody_everywhere,
    install,
    slack_step,
    states,
)
from tests.test_operations_plan import PLANS

pytestmark = pytest.mark.django_db

STEPS = everybody_everywhere(2, 2)
OWNER = Actor("olga", may_override_cap=True)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return install(Desk(), monkeypatch)


def told(operation: Operation) -> list[tuple[str, str, str]]:
    """The record's lines about it: who, what, the detail."""
    events = ActivityEvent.objects.filter(operation_id=operation.pk).order_by("pk")
    return list(events.values_list("actor", "action", "detail"))


# Every action in every state

ACTIONS: dict[str, Callable[[Desk, Operation], Any]] = {
    "confirm": lambda desk, operation: desk.confirm(operation),
    "cancel": lambda desk, operation: services.cancel_operation(operation_id=operation.pk, actor=PLANNER),
    "resume": lambda desk, operation: services.resume_now(operation_id=operation.pk, actor=PLANNER),
    "retry": lambda desk, operation: services.retry_operation(operation=operation, actor=PLANNER),
    "undo": lambda desk, operation: services.undo_operation(operation=operation, actor=PLANNER),
    "plan again": lambda desk, operation: services.plan_again(operation=operation, actor=PLANNER),
    "refuse": lambda desk, operation: services.refuse_operation(operation=operation, actor=PLANNER),
}
# What the operation is afterwards; an action that is not named is refused, and changes nothing.
TABLE: dict[OperationState, dict[str, str]] = {
    OperationState.PLANNED: {
        "confirm": "confirmed",
        "cancel": "cancelled",
        "plan again": "expired",
        "refuse": "refused",
    },
    OperationState.CONFIRMED: {"cancel": "cancelled", "plan again": "confirmed"},
    OperationState.RUNNING: {"cancel": "running", "plan again": "running"},
    OperationState.WAITING: {"cancel": "waiting", "resume": "waiting", "plan again": "waiting"},
    OperationState.DONE: {"retry": "done", "undo": "done", "plan again": "done"},
    OperationState.PARTIAL: {"retry": "partial", "undo": "partial", "plan again": "partial"},
    OperationState.FAILED: {"retry": "failed", "undo": "failed", "plan again": "failed"},
    OperationState.CANCELLED: {"retry": "cancelled", "undo": "cancelled", "plan again": "cancelled"},
    OperationState.EXPIRED: {"plan again": "expired"},
    OperationState.REFUSED: {"plan again": "refused"},
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", OperationState)
def test_every_action_in_every_state(desk: Desk, state: OperationState, action: str) -> None:
    operation = desk.plan(STEPS)
    operation.steps.filter(position=1).update(state=StepState.DONE, outcome="done")
    operation.steps.filter(position=2).update(state=StepState.FAILED, outcome="refused")
    Operation.objects.filter(pk=operation.pk).update(state=state)
    operation.refresh_from_db()
    events = ActivityEvent.objects.count()

    if action in TABLE[state]:
        ACTIONS[action](desk, operation)
        operation.refresh_from_db()
        assert operation.state == TABLE[state][action]
        assert ActivityEvent.objects.count() > events
    else:
        with pytest.raises(OperationRefused):
            ACTIONS[action](desk, operation)
        operation.refresh_from_db()
        assert operation.state == state
        assert ActivityEvent.objects.count() == events


# Planning


def test_a_plan_does_nothing_and_is_kept(desk: Desk) -> None:
    operation = desk.plan(STEPS, parameters={"asked": ["everything"]}, reach=9)

    assert (operation.state, operation.count, operation.planned_by) == ("planned", 4, "ada")
    assert (operation.parameters, operation.reach) == ({"asked": ["everything"]}, 9)
    assert [services.planned(step) for step in operation.steps.order_by("position")] == STEPS
    assert activity.verify().problem == ""


class TestPlannedAgain:
    """What waits for a person waits once."""

    PLAN = Plan(ADDITION, tuple(STEPS), (Skipped(STEPS[0].target, "Archived."),), {"only": ("a", "b")}, 9)

    def propose(self, plan: Plan = PLAN, actor: Actor = PLANNER, **fields: Any) -> Operation:
        return services.propose_operation(plan=plan, actor=actor, **fields)

    def test_the_same_plan_is_the_one_that_waits_already_and_has_time_anew(self, desk: Desk) -> None:
        operation = self.propose()
        soon = timezone.now() + timedelta(seconds=60)
        Operation.objects.filter(pk=operation.pk).update(expires_at=soon)

        again = self.propose()

        assert (again, Operation.objects.get()) == (operation, operation)
        assert again.expires_at == Operation.objects.get().expires_at > soon
        assert states(operation) == ["pending"] * 4
        same = f"4 steps, plan {operation.plan_hash}"
        renewed = ("ada", "operation.renewed", f"{same}, planned again and the same")
        assert told(operation) == [("ada", "operation.planned", same), renewed]
        assert desk.confirm(operation).state == "confirmed"

    @pytest.mark.parametrize(
        "other",
        [
            {"actor": CONFIRMER},
            {"actor": replace(PLANNER, identity="user:7")},
            {"actor": replace(PLANNER, trigger=Trigger.COMMAND)},
            {"plan": replace(PLAN, steps=PLAN.steps[:3])},
            {"plan": replace(PLAN, parameters={"only": ("a",)})},
            {"plan": replace(PLAN, skipped=())},
            {"plan": replace(PLAN, steps=tuple(replace(step, connection="T2") for step in STEPS))},
        ],
        ids=["person", "account", "way", "steps", "question", "left out", "connection"],
    )
    def test_another_one_is_kept_beside_it(self, desk: Desk, other: dict[str, Any]) -> None:
        first = self.propose()

        second = self.propose(**other)

        assert (second != first, second.state) == (True, "planned")
        assert [self.propose(), self.propose(**other)] == [first, second]

    @pytest.mark.parametrize("action", ["confirm", "cancel", "refuse"])
    def test_what_was_decided_waits_no_more(self, desk: Desk, action: str) -> None:
        first = self.propose()
        ACTIONS[action](desk, first)

        assert self.propose() != first

    def test_nor_does_what_is_too_old(self, desk: Desk) -> None:
        first = self.propose()
        Operation.objects.filter(pk=first.pk).update(expires_at=timezone.now())

        assert self.propose() != first

    def test_an_undo_or_a_follow_up_of_one_is_none_of_another(self, desk: Desk) -> None:
        parents = [desk.plan(STEPS), desk.plan(STEPS)]
        ways = [(parent, relation) for parent in parents for relation in (None, *Relation)]
        kept = [self.propose(parent=parent, relation=relation) for parent, relation in ways]

        assert len({self.propose(), *kept}) == 9
        assert [self.propose(parent=parent, relation=relation) for parent, relation in ways] == kept

    def test_what_is_confirmed_at_once_is_never_taken_from_those_that_wait(self, desk: Desk) -> None:
        waiting = self.propose()

        at_once = services.plan_operation(plan=self.PLAN, actor=PLANNER)

        assert at_once != waiting
        assert desk.confirm(at_once).state == "confirmed"
        assert desk.confirm(waiting).state == "confirmed"


@hypothesis_settings(max_examples=40)
@given(PLANS)
def test_what_is_stored_is_what_was_hashed(plan: Plan) -> None:
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        operation = install(Desk(), patch).plan(plan.steps)
        stored = [services.planned(step) for step in operation.steps.order_by("position")]
        assert Plan(ADDITION, tuple(stored)).hash == operation.plan_hash
        transaction.set_rollback(True)


# Confirming


def test_confirming_allows_the_plan_to_be_done(desk: Desk) -> None:
    operation = desk.confirm(desk.plan(STEPS))

    assert (operation.state, operation.confirmed_by) == ("confirmed", "bob")
    assert operation.confirmed_at is not None


class TestConfirmingIsRefused:
    def refused(self, desk: Desk, operation: Operation, **said: Any) -> str:
        with pytest.raises(OperationRefused) as caught:
            desk.confirm(operation, **said)
        operation.refresh_from_db()
        assert operation.state == "planned"
        return str(caught.value)

    @pytest.mark.parametrize("said", [{"plan_hash": "0" * 16}, {"count": 3}, {"count": 5}])
    def test_for_another_plan_than_the_one_shown(self, desk: Desk, said: dict[str, Any]) -> None:
        with pytest.raises(PlanOutdated):
            desk.confirm(desk.plan(STEPS), **said)

    def test_when_the_plan_is_too_old(self, desk: Desk, settings: Settings) -> None:
        operation = desk.plan(STEPS)
        Operation.objects.filter(pk=operation.pk).update(expires_at=timezone.now())

        assert "too old" in self.refused(desk, operation)

    def test_after_the_time_that_the_settings_give_a_plan(self, desk: Desk, settings: Settings) -> None:
        settings.PLAN_LIFETIME_SECONDS = 90
        operation = desk.plan(STEPS)

        assert operation.expires_at - operation.planned_at == timedelta(seconds=90)

    def test_when_there_is_nothing_to_do(self, desk: Desk) -> None:
        assert self.refused(desk, desk.plan([])) == "There is nothing to do."

    def test_for_a_planner_where_two_are_required(self, desk: Desk, settings: Settings) -> None:
        settings.REQUIRE_SECOND_PERSON = True
        operation = desk.plan(STEPS, REMOVAL)

        assert "somebody else than ada" in self.refused(desk, operation, actor=PLANNER)
        assert desk.confirm(operation).state == "confirmed"

    @pytest.mark.parametrize(
        ("confirmer", "same"),
        [
            (Actor("x (command line)", identity="user:1"), True),
            (Actor("renamed", identity="user:1"), True),
            (Actor("x", identity="user:2"), False),
            (Actor("x"), True),
            (Actor("y"), False),
        ],
        ids=["elsewhere", "renamed", "another of that name", "only a name", "another name"],
    )
    def test_for_a_planner_under_another_name(
        self, desk: Desk, settings: Settings, confirmer: Actor, same: bool
    ) -> None:
        settings.REQUIRE_SECOND_PERSON = True
        plan = Plan(REMOVAL, tuple(STEPS))
        operation = services.plan_operation(plan=plan, actor=Actor("x", identity="user:1"))

        if same:
            self.refused(desk, operation, actor=confirmer)
        else:
            assert desk.confirm(operation, actor=confirmer).state == "confirmed"

    def test_but_not_for_what_destroys_nothing(self, desk: Desk, settings: Settings) -> None:
        settings.REQUIRE_SECOND_PERSON = True

        assert desk.confirm(desk.plan(STEPS), actor=PLANNER).state == "confirmed"


def test_on_the_command_line_is_whoever_has_an_account_of_the_same_name(
    monkeypatch: pytest.MonkeyPatch, django_user_model: type[User]
) -> None:
    account = django_user_model.objects.create_user("Rosa")

    for name, identity in {"rosa": services.identity_of(account), "deploy": "machine:deploy"}.items():
        monkeypatch.setattr("pwd.getpwuid", lambda uid, name=name: SimpleNamespace(pw_name=name))
        monkeypatch.setenv("LOGNAME", "somebody-else")
        assert command_line_actor().identity == identity
    assert services.actor_of(account).identity == services.identity_of(account)


class TestAboveTheCap:
    @pytest.fixture
    def operation(self, desk: Desk) -> Operation:
        desk.rules.cap = Cap(Unit.PEOPLE, count=1)
        operation = desk.plan(STEPS)
        assert operation.over_cap == "2 people are more than the 1 allowed at once."
        return operation

    @pytest.mark.parametrize(
        "said", [{}, {"typed_count": 4}, {"actor": OWNER}, {"actor": OWNER, "typed_count": 5}]
    )
    def test_right_and_count_are_both_needed(
        self, desk: Desk, operation: Operation, said: dict[str, Any]
    ) -> None:
        with pytest.raises(OperationRefused, match="2 people are more than"):
            desk.confirm(operation, **said)
        operation.refresh_from_db()
        assert operation.state == "planned"

    def test_with_both_it_is_done(self, desk: Desk, operation: Operation) -> None:
        assert desk.confirm(operation, actor=OWNER, typed_count=4).state == "confirmed"
        event = ActivityEvent.objects.get(action="operation.confirmed")
        assert event.actor == OWNER.name
        assert "allowed above the cap: 2 people are more than the 1" in event.detail

    def test_a_later_cap_does_not_matter(self, desk: Desk, operation: Operation) -> None:
        """What was shown was above the cap: that was said, and is what somebody has to override."""
        desk.rules.cap = Cap()

        with pytest.raises(OperationRefused):
            desk.confirm(operation)

    def test_of_a_share_it_stays_when_tried_again(self, desk: Desk) -> None:
        desk.rules.cap = Cap(Unit.PEOPLE, share=0.5)
        operation = desk.plan(STEPS, reach=2)
        desk.confirm(operation, actor=OWNER, typed_count=4)
        operation.steps.update(state=StepState.FAILED)
        Operation.objects.filter(pk=operation.pk).update(state=OperationState.FAILED)
        operation.refresh_from_db()

        again = services.retry_operation(operation=operation, actor=PLANNER)

        assert again.over_cap == operation.over_cap != ""


@pytest.mark.parametrize(("clerks"), [[CONFIRMER, CONFIRMER], [PLANNER, CONFIRMER, OWNER]])
@pytest.mark.django_db(transaction=True)
def test_confirmed_by_several_at_once_it_is_confirmed_once(desk: Desk, clerks: list[Actor]) -> None:
    operation = desk.plan(STEPS)
    together = Barrier(len(clerks))

    def confirm(clerk: Actor) -> bool:
        try:
            together.wait(10)
            desk.confirm(operation, actor=clerk)
            return True
        except OperationRefused:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clerks)) as pool:
        confirmations = list(pool.map(confirm, clerks))

    assert confirmations.count(True) == 1
    operation.refresh_from_db()
    assert operation.confirmed_by == clerks[confirmations.index(True)].name
    assert ActivityEvent.objects.filter(action="operation.confirmed").count() == 1


# What follows


class TestCancelling:
    @pytest.mark.parametrize("state", [OperationState.PLANNED, OperationState.CONFIRMED])
    def test_what_has_not_begun_ends_at_once(self, desk: Desk, state: OperationState) -> None:
        operation = desk.plan(STEPS)
        Operation.objects.filter(pk=operation.pk).update(state=state)

        operation = services.cancel_operation(operation_id=operation.pk, actor=PLANNER)

        assert operation.finished_at is not None
        assert set(states(operation)) == {"not_tried"}

    def test_what_waits_is_ended_by_the_next_execution_which_need_not_wait(self, desk: Desk) -> None:
        operation = desk.plan(STEPS)
        later = timezone.now() + timedelta(hours=1)
        Operation.objects.filter(pk=operation.pk).update(state=OperationState.WAITING, resume_at=later)

        operation = services.cancel_operation(operation_id=operation.pk, actor=PLANNER)

        assert operation.cancel_requested
        assert operation.resume_at is not None
        assert operation.resume_at <= timezone.now()


class TestPlanningAgain:
    def test_replaces_the_plan_by_one_of_the_world_as_it_is(self, desk: Desk) -> None:
        operation = desk.plan(STEPS, parameters={"asked": "everything"})
        asked: list[Any] = []

        def plan_again(parameters: Any) -> Plan:
            asked.append(parameters)
            return Plan(ADDITION, (slack_step(1, 1),), parameters=parameters)

        desk.rules.replan = plan_again
        new = services.plan_again(operation=operation, actor=CONFIRMER)

        operation.refresh_from_db()
        assert (operation.state, asked) == ("expired", [{"asked": "everything"}])
        assert (new.parent, new.relation, new.count) == (operation, "replan", 1)
        with pytest.raises(PlanOutdated):
            desk.confirm(operation)
        assert told(operation)[-1] == ("bob", "operation.expired", "replaced by a new plan")
        ((_, _, detail),) = told(new)
        assert detail == f"1 steps, plan {new.plan_hash}, new plan of operation {operation.pk}"

    def test_says_so_and_why_when_nothing_is_to_be_done_any_more(self, desk: Desk) -> None:
        operation = desk.plan(STEPS)
        gone = Skipped(STEPS[0].target, "The group is archived.")
        desk.rules.replan = lambda parameters: Plan(ADDITION, (), skipped=(gone, gone))

        with pytest.raises(OperationRefused) as caught:
            services.plan_again(operation=operation, actor=PLANNER)

        assert str(caught.value) == "There is nothing to do any more. Left out: The group is archived (2)."
        assert Operation.objects.get() == operation


def test_a_plan_past_its_time_is_ended_and_that_is_told(desk: Desk) -> None:
    late, fresh = desk.plan(STEPS), desk.plan(STEPS)
    Operation.objects.filter(pk=late.pk).update(expires_at=timezone.now())

    for _ in range(2):
        assert custody.recover_operations() == []

    late.refresh_from_db()
    fresh.refresh_from_db()
    assert (late.state, set(states(late)), fresh.state) == ("expired", {"not_tried"}, "planned")
    expiry = ("housekeeping", "operation.expired", "not confirmed in time")
    assert told(late)[1:] == [expiry]


@pytest.mark.parametrize("action", ["confirm", "retry", "undo", "plan again"])
def test_a_kind_that_is_gone_can_do_nothing(desk: Desk, action: str) -> None:
    operation = desk.plan(STEPS)
    state = OperationState.PLANNED if action == "confirm" else OperationState.FAILED
    Operation.objects.filter(pk=operation.pk).update(kind="long_gone", state=state)
    operation.refresh_from_db()

    with pytest.raises(OperationRefused, match="Long gone: this release cannot do that any more"):
        ACTIONS[action](desk, operation)


class TestAfterwards:
    @pytest.fixture
    def ended(self, desk: Desk) -> Operation:
        operation = desk.plan(STEPS)
        for position, state in enumerate(("done", "failed", "skipped", "not_tried"), 1):
            operation.steps.filter(position=position).update(state=state)
        Operation.objects.filter(pk=operation.pk).update(state=OperationState.PARTIAL)
        operation.refresh_from_db()
        return operation

    def test_what_failed_or_was_not_tried_is_planned_again(self, ended: Operation) -> None:
        again = services.retry_operation(operation=ended, actor=PLANNER)

        assert [services.planned(step) for step in again.steps.all()] == [STEPS[1], STEPS[3]]
        assert (again.parent, again.relation, again.state) == (ended, "retry", "planned")

    def test_what_was_really_done_is_undone(self, ended: Operation) -> None:
        undo = services.undo_operation(operation=ended, actor=PLANNER)

        (step,) = undo.steps.all()
        assert services.planned(step) == replace(STEPS[0], verb="remove")
        assert (undo.parent, undo.relation, undo.kind) == (ended, "undo", REMOVAL)
        assert told(undo)[0][2].endswith(f", undo of operation {ended.pk}")

    def test_nothing_is_undone_twice(self, ended: Operation) -> None:
        first, again, second = (
            services.undo_operation(operation=ended, actor=actor) for actor in (PLANNER, PLANNER, CONFIRMER)
        )
        assert again == first, "pressed twice, it waits once"
        for undo in (first, second):
            undo.over_cap = ""
            undo.save()

        def confirm(undo: Operation) -> Operation:
            return services.confirm_operation(
                operation_id=undo.pk, plan_hash=undo.plan_hash, count=undo.count, actor=PLANNER
            )

        assert confirm(first).state == "confirmed"
        with pytest.raises(OperationRefused, match=f"is undone by {first} already"):
            confirm(second)

    def test_nor_by_a_new_plan_of_an_undo(self, desk: Desk, ended: Operation) -> None:
        def undo_of(operation: Operation) -> Operation:
            return services.undo_operation(operation=operation, actor=PLANNER)

        def new_plan_of(operation: Operation) -> Operation:
            return services.plan_again(operation=operation, actor=PLANNER)

        desk.rules.replan = lambda parameters: Plan(REMOVAL, (slack_step(0, 0, "remove"),))
        late = undo_of(ended)
        first = desk.confirm(new_plan_of(late))
        for second in (undo_of(ended), new_plan_of(late), new_plan_of(new_plan_of(first))):
            with pytest.raises(OperationRefused, match=f"{ended} is undone by {first} already"):
                desk.confirm(second)

        first.steps.update(state=StepState.FAILED)
        Operation.objects.filter(pk=first.pk).update(state=OperationState.PARTIAL)
        first.refresh_from_db()
        rest = services.retry_operation(operation=first, actor=PLANNER)
        assert desk.confirm(rest).state == "confirmed"

    def test_an_undo_may_come_out_empty(
        self, desk: Desk, ended: Operation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind = replace(kinds.get(ADDITION), undo=lambda steps: Plan(REMOVAL, ()))
        monkeypatch.setitem(kinds._kinds, ADDITION, kind)

        with pytest.raises(OperationRefused, match="nothing to undo any more"):
            services.undo_operation(operation=ended, actor=PLANNER)

    def test_not_every_kind_can_be_undone(self, desk: Desk, ended: Operation) -> None:
        Operation.objects.filter(pk=ended.pk).update(kind=REMOVAL)
        ended.refresh_from_db()

        with pytest.raises(OperationRefused, match="cannot be undone"):
            services.undo_operation(operation=ended, actor=PLANNER)

    @pytest.mark.parametrize("action", ["retry", "undo"])
    def test_there_may_be_nothing_to_do(self, desk: Desk, ended: Operation, action: str) -> None:
        ended.steps.update(state=StepState.SKIPPED)

        with pytest.raises(OperationRefused, match="has nothing"):
            ACTIONS[action](desk, ended)
