"""Adding the missing, adding people everywhere, removing them again: on both platforms, through the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from audits import services
from audits.models import AuditRun, Finding
from audits.remediation.missing import plan_missing
from audits.remediation.pairs import plan_removals
from audits.remediation.people import UnknownPerson, employees_named, plan_people
from audits.remediation.selections import MissingSelection, PairSelection, PeopleSelection
from audits.remediation.verification import before_and_after, verification_of
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackUser
from groupadmin.sandbox.telegram.world import AdminRights, TelegramUser
from members.models import Category, Employee, Exclusion, Group, MembershipRule, Team
from members.operations import runner
from members.operations.connections import account_on
from members.operations.models import Operation
from members.operations.plan import Target
from members.operations.services import (
    Actor,
    OperationRefused,
    confirm_operation,
    plan_again,
    undo_operation,
)
from members.platforms.slack_writer import SlackWriter
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.types import Platform
from tests.audit_world import TINY, Office, channel_without_bo, findings
from tests.remediation_world import (
    OPERATOR,
    carried_out,
    confirmed,
    effects,
    outcomes,
    pairs,
    planned,
    reasons,
    verify,
)

SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """After its first audit."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    return office


def missing_in_truth(office: Office) -> set[tuple[str, str, str]]:
    """Whom the company itself says to be missing where the full team is required."""
    return {
        (platform, group_id, key)
        for (platform, group_id), truth in office.company.truth_now().groups.items()
        if truth.requires_full_team
        for key in truth.required_missing
    }


def user_id(office: Office, platform: str, key: str) -> str:
    return office.slack_id(key) if platform == SLACK else str(office.telegram_id(key))


class TestAddingTheMissing:
    def test_adds_exactly_the_missing_and_nobody_else(self, office: Office) -> None:
        missing = missing_in_truth(office)
        ourselves = {(SLACK, group_id, "ada") for platform, group_id, key in missing if key == "ada"}

        operation = carried_out(plan_missing(MissingSelection()))

        assert operation.state == "done"
        assert missing_in_truth(office) == ourselves, "our own account cannot add itself"
        added = missing - ourselves
        for platform in Platform:
            assert effects(office.slack.writes, platform) == sorted(
                (group_id, user_id(office, platform, key)) for at, group_id, key in added if at == platform
            )
        assert findings(kind="missing_required") == {
            (platform, group_id, "missing_required", key) for platform, group_id, key in ourselves
        }

    def test_makes_one_call_for_all_who_are_missing_in_a_group(self, office: Office) -> None:
        plan = plan_missing(MissingSelection(platforms=(SLACK,)))
        office.slack.calls.clear()

        runner.run_operation(confirmed(planned(plan)).pk)

        groups = {step.target.group_id for step in plan.steps}
        assert office.slack.calls.counts()["conversations.invite"] == len(groups) < plan.count

    def test_leaves_out_what_it_cannot_do_and_says_why(self, office: Office) -> None:
        plan = plan_missing(MissingSelection())

        archived = {group["id"] for run in AuditRun.objects.all() for group in run.archived_groups}
        assert archived
        assert {reasons(plan)[SLACK, group_id, ""] for group_id in archived} == {
            "The group is archived: somebody has to bring it back first."
        }
        ourselves = [key for key, reason in reasons(plan).items() if "cannot add itself" in reason]
        assert [(platform, key) for platform, _, key in ourselves] == [(SLACK, "ada")]

    def test_names_groups_where_our_account_may_not_add_anybody(self, office: Office) -> None:
        _, group_id, key = min(pair for pair in missing_in_truth(office) if pair[0] == TELEGRAM)
        chat = office.company.telegram.chats[int(group_id)]

        def close() -> None:
            chat.members_may_invite = False
            chat.admins.pop(office.company.telegram_account_id, None)
            if chat.creator == office.company.telegram_account_id:
                chat.creator = None

        office.telegram.run(close)
        office.audit("--platform=telegram")

        plan = plan_missing(MissingSelection(groups=((TELEGRAM, group_id),)))

        assert (pairs(plan), list(reasons(plan))) == (set(), [(TELEGRAM, group_id, "")])
        assert "needs an admin's right" in plan.skipped[0].reason

    def test_takes_whom_a_report_named_and_nobody_later(self, office: Office) -> None:
        run = AuditRun.objects.get()
        channel = office.channel(lambda truth, _: truth.requires_full_team and not truth.required_missing)
        channel.members.pop(office.slack_id("bo"))
        fixed = min(pair for pair in pairs(plan_missing(MissingSelection())) if pair[0] == SLACK)
        office.company.slack.channels[fixed[1]].members[office.slack_id(fixed[2])] = None
        office.audit()

        by_report = plan_missing(MissingSelection(run=run.pk))

        assert (SLACK, channel.id, "bo") in pairs(plan_missing(MissingSelection())) - pairs(by_report)
        assert reasons(by_report)[fixed] == "Already there."

    def test_takes_the_chosen_findings(self, office: Office) -> None:
        chosen = Finding.objects.filter(kind="missing_required", state="open").exclude(subject="ada")[:2]

        plan = plan_missing(MissingSelection(findings=tuple(finding.pk for finding in chosen)))

        assert pairs(plan) == {(f.platform, f.group_external_id, f.subject) for f in chosen}
        assert plan.skipped == ()

    def test_asks_the_database_equally_often_however_large_it_is(
        self, office: Office, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(18):
            assert plan_missing(MissingSelection()).count > 10
        with django_assert_num_queries(18):
            assert plan_missing(MissingSelection(findings=(1,))).count <= 1

    def test_can_be_planned_again_when_the_world_has_changed(self, office: Office) -> None:
        operation = planned(plan_missing(MissingSelection(platforms=(SLACK,))))
        channel = channel_without_bo(office)
        office.audit()

        again = plan_again(operation=operation, actor=OPERATOR)

        assert (SLACK, channel.id, "bo") in outcomes(again)
        assert again.parameters == {"platforms": ["slack"]}


class TestTheWorldChangedMeanwhile:
    """Between the confirmation and the call: what is not wanted any more is recorded as such."""

    def run(self, office: Office, change: Callable[[Target], object]) -> tuple[str, str]:
        plan = plan_missing(MissingSelection(platforms=(SLACK,)))
        operation = confirmed(planned(plan))
        target = plan.steps[0].target
        change(target)

        runner.run_operation(operation.pk)

        assert (target.group_id, target.user_id) not in effects(office.slack.writes, SLACK)
        others = {key: outcome for key, (outcome, _) in outcomes(operation).items()}
        assert others.pop((SLACK, target.group_id, target.subject)) == "changed_meanwhile"
        return outcomes(operation)[SLACK, target.group_id, target.subject]

    def test_somebody_was_excluded(self, office: Office) -> None:
        def exclude(target: Target) -> None:
            Exclusion.objects.update_or_create(
                platform=SLACK,
                group_external_id=target.group_id,
                employee=Employee.objects.get(key=target.subject),
                kind="",
                defaults={"reason": "On leave.", "expires": datetime.now(UTC).date()},
            )

        _, message = self.run(office, exclude)
        assert message.endswith(": On leave.")

    @pytest.mark.parametrize("status", ["offboarded", "under_review", "optional"])
    def test_somebody_is_not_asked_for_any_more(self, office: Office, status: str) -> None:
        _, message = self.run(
            office, lambda target: Employee.objects.filter(key=target.subject).update(status=status)
        )
        assert status.replace("_", " ") in message

    def test_no_rule_asks_for_somebody_any_more(self, office: Office) -> None:
        def release(target: Target) -> None:
            employee = Employee.objects.get(key=target.subject)
            employee.teams.clear()
            MembershipRule.objects.filter(employee=employee).delete()

        _, message = self.run(office, release)
        assert message.startswith("No rule asks for")

    def test_the_group_needs_no_full_team_any_more(self, office: Office) -> None:
        def exempt(target: Target) -> None:
            category = Category.objects.create(key="quiet", name="Quiet", full_team=False)
            Group.objects.filter(external_id=target.group_id).update(category=category, category_pinned=True)

        _, message = self.run(office, exempt)
        assert message == "Exempt: groups of the category Quiet need no full team."

    def test_somebody_was_deleted(self, office: Office) -> None:
        _, message = self.run(office, lambda target: Employee.objects.get(key=target.subject).delete())
        assert message == "Is not an employee any more."

    def test_somebody_has_another_account(self, office: Office) -> None:
        _, message = self.run(
            office, lambda target: Employee.objects.filter(key=target.subject).update(slack_user_id="U0OTHER")
        )
        assert "another Slack account" in message

    @pytest.mark.parametrize(
        ("change", "word"), [({"archived": True}, "archived"), ({"in_scope": False}, "out of scope")]
    )
    def test_the_group_left_the_audit(self, office: Office, change: dict[str, bool], word: str) -> None:
        _, message = self.run(
            office, lambda target: Group.objects.filter(external_id=target.group_id).update(**change)
        )
        assert word in message


class TestAddingPeople:
    def test_brings_somebody_into_every_group_in_scope(self, office: Office) -> None:
        newcomer(office)
        plan = plan_people(PeopleSelection(teams=("newcomers",)))

        operation = carried_out(plan)

        in_scope = Group.objects.filter(in_scope=True).values_list("platform", "external_id")
        assert (operation.state, pairs(plan)) == ("done", {(*key, "zoe") for key in in_scope})
        ids = {"U0ZOE", "7999999999"}
        written = [effect for platform in Platform for effect in effects(office.slack.writes, platform)]
        assert len([user for _, user in written if user in ids]) == len(in_scope)

    def test_asks_the_database_equally_often_however_many_they_are(
        self, office: Office, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for selection in (PeopleSelection(employees=("bo",)), PeopleSelection(teams=("core",))):
            with django_assert_num_queries(17):
                plan_people(selection)

    def test_finds_out_by_itself_who_is_there_already(self, office: Office) -> None:
        """No rule asks for newcomers, so no audit has looked for them."""
        zoe = newcomer(office)
        channel = office.channel()
        channel.members[str(zoe.slack_user_id)] = None

        selection = PeopleSelection(employees=("zoe",), groups=((SLACK, channel.id),), platforms=(SLACK,))
        operation = carried_out(plan_people(selection))

        assert outcomes(operation)[SLACK, channel.id, "zoe"][0] == "already_there"

    @pytest.mark.parametrize("change", [{"in_scope": False}, {"visible": False}, {"archived": True}])
    def test_leaves_out_a_group_that_left_the_audit_since(
        self, office: Office, change: dict[str, bool]
    ) -> None:
        newcomer(office)
        channel = office.channel()
        selection = PeopleSelection(employees=("zoe",), groups=((SLACK, channel.id),), platforms=(SLACK,))
        operation = confirmed(planned(plan_people(selection)))
        Group.objects.filter(external_id=channel.id).update(**change)

        runner.run_operation(operation.pk)

        assert outcomes(operation)[SLACK, channel.id, "zoe"][0] == "changed_meanwhile"
        assert "U0ZOE" not in channel.members

    def test_invites_as_many_as_the_platform_takes(self, db: None) -> None:
        sizes = [account_on(platform).largest_invitation for platform in (SLACK, TELEGRAM)]

        assert sizes == [SlackWriter.largest_invitation, TelegramWriter.largest_invitation]


class TestNamingPeople:
    @pytest.mark.parametrize("word", ["bo", "@bo", "BO@example.com", "U0BO", "4242", "bo_tele"])
    def test_by_key_username_address_or_id(self, db: None, word: str) -> None:
        Employee.objects.create(
            key="bo",
            name="Bo Example",
            email="bo@example.com",
            slack_username="bo",
            slack_user_id="U0BO",
            telegram_username="Bo_Tele",
            telegram_user_id=4242,
        )
        Employee.objects.create(key="cy", name="Cy Example")

        assert employees_named([word, word]) == ("bo",)

    def test_who_is_not_known_is_said(self, db: None) -> None:
        with pytest.raises(UnknownPerson, match="No employee is called 'zed'"):
            employees_named(["zed"])

    def test_who_is_meant_must_be_clear(self, db: None) -> None:
        Employee.objects.create(key="bo", name="Bo Example", slack_username="sam")
        Employee.objects.create(key="cy", name="Cy Example", telegram_username="sam")

        with pytest.raises(UnknownPerson, match="'sam' may be bo or cy"):
            employees_named(["sam"])


class TestTakingBack:
    def test_an_addition_takes_out_exactly_who_was_added(self, office: Office, settings: Settings) -> None:
        settings.OPERATION_CAP_REMOVED_PEOPLE = 100
        missing = missing_in_truth(office)
        operation = carried_out(plan_missing(MissingSelection()))

        undo = undo_operation(operation=operation, actor=OPERATOR)
        runner.run_operation(confirmed(undo).pk)
        verify(undo)

        assert (undo.kind, undo.relation) == ("remove_people", "undo")
        kept = {pair for pair, (outcome, _) in outcomes(undo).items() if outcome == "admin_rights_needed"}
        assert kept < set(outcomes(undo)), "what everybody may add, only admins may remove"
        assert missing_in_truth(office) == missing - kept

    def test_whoever_was_made_an_admin_since_stays(self, office: Office, settings: Settings) -> None:
        settings.OPERATION_CAP_REMOVED_PEOPLE = 100
        account = office.company.telegram_account_id
        operation = carried_out(plan_missing(MissingSelection(platforms=(TELEGRAM,))))
        step = next(
            step
            for step in operation.steps.filter(state="done")
            if office.company.telegram.chats[int(step.group_id)].creator == account
        )
        chat, person = office.company.telegram.chats[int(step.group_id)], int(step.user_id)
        office.telegram.run(lambda: chat.admins.update({person: AdminRights()}))

        undo = undo_operation(operation=operation, actor=OPERATOR)
        runner.run_operation(confirmed(undo).pk)

        assert outcomes(undo)[TELEGRAM, step.group_id, step.subject][0] == "changed_meanwhile"
        assert person in chat.members

    def test_a_removal_brings_them_back(self, office: Office) -> None:
        channel = office.channel(lambda truth, _: "bo" in truth.required_present)
        target = Target(SLACK, channel.id, channel.name, "bo", "Bo Example", office.slack_id("bo"))
        removal = carried_out(plan_removals(PairSelection((target,))))
        assert office.slack_id("bo") not in channel.members
        Group.objects.filter(external_id=channel.id).update(in_scope=False)  # they were in it all the same

        undo = undo_operation(operation=removal, actor=OPERATOR)
        runner.run_operation(confirmed(undo).pk)

        assert (undo.kind, office.slack_id("bo") in channel.members) == ("bring_back", True)
        again = plan_again(operation=undo, actor=OPERATOR)
        assert set(outcomes(again)) == {(SLACK, channel.id, "bo")}

    def test_of_more_than_three_people_needs_somebody_who_types_the_count(self, office: Office) -> None:
        targets = tuple(
            Target(SLACK, "C1", "acme", key, key, office.slack_id(key)) for key in ("bo", "cy", "di", "eve")
        )
        operation = planned(plan_removals(PairSelection(targets)))

        assert operation.over_cap == "4 people are more than the 3 allowed at once."
        with pytest.raises(OperationRefused):
            confirmed(operation)
        may = Actor("Ola Owner", may_override_cap=True)
        count = operation.count
        assert (
            confirm_operation(
                operation_id=operation.pk,
                plan_hash=operation.plan_hash,
                count=count,
                actor=may,
                typed_count=count,
            ).state
            == "confirmed"
        )

    def test_of_three_people_everywhere_is_within_the_cap(self, office: Office) -> None:
        targets = tuple(
            Target(SLACK, f"C{at}", "acme", key, key, office.slack_id(key))
            for key in ("bo", "cy", "di")
            for at in range(9)
        )
        assert planned(plan_removals(PairSelection(targets))).over_cap == ""

    def test_names_whom_no_id_is_known_of(self, db: None) -> None:
        plan = plan_removals(PairSelection((Target(SLACK, "C1", "acme", "bo", "Bo Example"),)))

        assert (plan.count, list(reasons(plan))) == (0, [(SLACK, "C1", "bo")])


class TestTheVerification:
    def test_is_an_audit_of_the_touched_platform_linked_to_the_operation(self, office: Office) -> None:
        operation = carried_out(plan_missing(MissingSelection(platforms=(SLACK,))))

        run = verification_of(operation.pk)
        assert run is not None
        assert (run.state, run.platforms, run.trigger) == ("complete", ["slack"], "event")

    def test_tells_how_complete_the_groups_were_and_are(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit()
        selection = MissingSelection(groups=((SLACK, channel.id),))

        operation = carried_out(plan_missing(selection))

        (state,) = before_and_after(operation)
        people = len(office.company.truth_now().groups["slack", channel.id].required_present)
        assert (state.name, state.before, state.after) == (
            "acme-bitsafe",
            f"{people - 1}/{people}",
            f"{people}/{people}",
        )
        assert (state.verdict_before, state.verdict_after) == ("incomplete", "complete")

    def test_shows_what_was_before_as_soon_as_there_is_a_plan(self, office: Office) -> None:
        operation = planned(plan_missing(MissingSelection()))

        states = before_and_after(operation)
        assert {(state.platform, state.id) for state in states} == {key[:2] for key in outcomes(operation)}
        assert {state.verdict_before for state in states} == {"incomplete"}
        assert {state.after for state in states} == {""}

    def test_is_not_asked_for_when_nothing_was_tried(self, office: Office) -> None:
        operation = confirmed(planned(plan_missing(MissingSelection(platforms=(SLACK,)))))
        Operation.objects.filter(pk=operation.pk).update(cancel_requested=True)
        runner.run_operation(operation.pk)

        tried = operation.steps.exclude(state="not_tried").exists()
        assert (verification_of(operation.pk) is not None) == tried

    def test_that_could_not_see_the_platform_leaves_what_is_not_known_empty(self, office: Office) -> None:
        operation = confirmed(planned(plan_missing(MissingSelection(platforms=(SLACK,)))))
        runner.run_operation(operation.pk)
        office.company.slack.revoke(office.company.slack_token)
        run = verification_of(operation.pk)
        assert run is not None
        services.execute_audit(run.pk)

        operation.refresh_from_db()
        assert {state.after for state in before_and_after(operation)} == {""}


def newcomer(office: Office) -> Employee:
    """Somebody new in a team of their own, who is in no group and of whom no rule speaks."""
    office.company.slack.add_user(SlackUser("U0ZOE", "zoe", "Zoe Example"))
    user = TelegramUser(7_999_999_999, "Zoe", "Example", ["zoeexample"])
    office.telegram.run(lambda: office.company.telegram.add_user(user))
    row = Employee.objects.create(
        key="zoe",
        name="Zoe Example",
        slack_user_id="U0ZOE",
        telegram_user_id=user.id,
        telegram_username="zoeexample",
    )
    row.teams.add(Team.objects.create(key="newcomers", name="Newcomers"))
    return row
