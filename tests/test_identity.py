"""Handle → stable id: who is whom, what is doubtful, and what an audit's findings leave in the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.identity import Reason, Resolution, Resolved, Unresolved, resolve, resolve_all
from members.models import LONGEST_USERNAME, Employee, EmployeeHandle
from members.platforms.types import Platform, PlatformUser, Wanted
from members.services import IdentitySeen, load_policy, record_identities


def user(
    id: str,
    *usernames: str,
    name: str = "",
    email: str | None = None,
    active: bool = True,
    is_bot: bool = False,
    external: bool = False,
) -> PlatformUser:
    return PlatformUser(Platform.SLACK, id, usernames, name, email, active, is_bot, external)


def ada(id: str | None = None, username: str | None = None, email: str | None = None) -> Wanted:
    return Wanted("ada", "Ada Example", id, username, email)


def who(resolution: Resolution) -> str | Reason:
    """The id of the user, or the reason why there is none."""
    return resolution.user.id if isinstance(resolution, Resolved) else resolution.code


def reason(resolution: Resolution) -> str:
    assert isinstance(resolution, Unresolved)
    return resolution.reason


class TestKnownId:
    """Once known, the id is the identity."""

    def test_it_decides_alone(self) -> None:
        found = resolve(ada("U1", "ada", "ada@example.com"), [user("U1", "ada"), user("U2", "ada2")])
        assert found == Resolved(user("U1", "ada"))

    def test_a_changed_handle_is_followed_and_reported(self) -> None:
        found = resolve(ada("U1", "ada"), [user("U1", "ada.lovely")])
        assert found == Resolved(user("U1", "ada.lovely"), changed_from="ada")

    def test_a_handle_in_other_letters_or_second_in_the_list_is_not_changed(self) -> None:
        assert resolve(ada("U1", "Ada"), [user("U1", "new", "ADA")]) == Resolved(user("U1", "new", "ADA"))

    def test_a_username_that_moved_to_somebody_else_never_wins(self) -> None:
        found = resolve(ada("U1", "ada"), [user("U2", "ada", name="Ada Impostor")])
        assert who(found) is Reason.ID_UNKNOWN
        assert "@ada now belongs to Ada Impostor (@ada, U2)" in reason(found)

    def test_both_there_the_id_still_decides(self) -> None:
        found = resolve(ada("U1", "ada"), [user("U2", "ada"), user("U1", "ada.lovely")])
        assert found == Resolved(user("U1", "ada.lovely"), changed_from="ada")

    def test_an_account_out_of_use_is_reported_with_the_account(self) -> None:
        gone = user("U1", "ada", active=False)
        found = resolve(ada("U1", "ada"), [gone])
        assert isinstance(found, Unresolved)
        assert (found.code, found.user) == (Reason.DEACTIVATED, gone)


class TestUsername:
    def test_case_and_at_sign_do_not_matter(self) -> None:
        assert who(resolve(ada(username="@ADA"), [user("U1", "ada"), user("U2", "bob")])) == "U1"

    def test_any_of_the_usernames_leads_there(self) -> None:
        assert who(resolve(ada(username="ada"), [user("U1", "main", "ada")])) == "U1"

    def test_bots_are_not_people(self) -> None:
        assert who(resolve(ada(username="ada"), [user("B1", "ada", is_bot=True)])) is Reason.NO_SUCH_USER

    def test_the_active_account_is_preferred(self) -> None:
        candidates = [user("U1", "ada", active=False), user("U2", "ada")]
        assert who(resolve(ada(username="ada"), candidates)) == "U2"

    def test_a_deactivated_account_alone_is_no_match(self) -> None:
        assert who(resolve(ada(username="ada"), [user("U1", "ada", active=False)])) is Reason.DEACTIVATED

    def test_two_active_accounts_are_ambiguous(self) -> None:
        found = resolve(ada(username="ada"), [user("U1", "ada"), user("U2", "ada")])
        assert who(found) is Reason.AMBIGUOUS
        assert "U1" in reason(found)
        assert "U2" in reason(found)

    def test_unless_the_email_decides(self) -> None:
        candidates = [user("U1", "ada"), user("U2", "ada", email="Ada@Example.com")]
        assert who(resolve(ada(username="ada", email="ada@example.com"), candidates)) == "U2"

    def test_a_customers_namesake_in_another_workspace_is_a_stranger(self) -> None:
        candidates = [user("U9", "ada", external=True)]
        assert who(resolve(ada(username="ada"), candidates)) is Reason.NO_SUCH_USER
        assert who(resolve(ada(username="ada"), [*candidates, user("U1", "ada")])) == "U1"


class TestEmail:
    def test_it_finds_whom_the_username_does_not(self) -> None:
        found = resolve(
            ada(username="ada", email="ada@example.com"), [user("U1", "ae", email="ADA@example.com")]
        )
        assert found == Resolved(user("U1", "ae", email="ADA@example.com"), changed_from="ada")

    def test_it_finds_the_new_account_of_somebody_whose_old_one_is_deactivated(self) -> None:
        candidates = [user("U1", "ada", active=False), user("U2", "ada2", email="ada@example.com")]
        assert who(resolve(ada(username="ada", email="ada@example.com"), candidates)) == "U2"

    def test_the_username_comes_first(self) -> None:
        candidates = [user("U1", "ada"), user("U2", "other", email="ada@example.com")]
        assert who(resolve(ada(username="ada", email="ada@example.com"), candidates)) == "U1"

    def test_an_email_of_two_accounts_is_ambiguous(self) -> None:
        candidates = [user("U1", email="ada@example.com"), user("U2", email="ada@example.com")]
        assert who(resolve(ada(email="ada@example.com"), candidates)) is Reason.AMBIGUOUS


class TestNobody:
    def test_the_reason_names_people_who_are_called_alike(self) -> None:
        found = resolve(
            ada(username="ada"), [user("U7", "ae", name="EXAMPLE, Ada"), user("U8", "bob", name="Bob")]
        )
        assert who(found) is Reason.NO_SUCH_USER
        assert reason(found) == "No user has the username @ada. Perhaps EXAMPLE, Ada (@ae, U7)?"

    def test_or_says_what_to_do(self) -> None:
        found = resolve(ada(username="ada", email="ada@example.com"), [])
        assert reason(found) == (
            "No user has the username @ada or the e-mail ada@example.com. Correct it, or enter the id."
        )

    def test_without_any_handle_nobody_is_looked_for(self) -> None:
        assert who(resolve(ada(), [user("U1", name="Ada Example")])) is Reason.NO_HANDLE


class TestManyPeople:
    BOB = Wanted("bob", "Bob Example", username="ada")

    def test_one_resolution_each_in_the_same_order(self) -> None:
        candidates = [user("U1", "ada"), user("U2", "bob")]
        found = resolve_all([Wanted("bob", "Bob", username="bob"), ada(username="ada")], candidates)
        assert [who(resolution) for resolution in found] == ["U2", "U1"]

    def test_an_account_belongs_to_the_person_whose_known_id_it_is(self) -> None:
        found = resolve_all([self.BOB, ada("U1", "ada")], [user("U1", "ada")])
        assert [who(resolution) for resolution in found] == [Reason.TAKEN, "U1"]
        assert "Ada Example" in reason(found[0])

    def test_and_to_nobody_when_neither_id_is_known(self) -> None:
        found = resolve_all([self.BOB, ada(username="ada")], [user("U1", "ada")])
        assert [who(resolution) for resolution in found] == [Reason.TAKEN, Reason.TAKEN]


IDS = st.sampled_from(["U1", "U2", "U3", "U4"])
HANDLES = st.sampled_from(["ada", "ADA", "bob", "eve"])
EMAILS = st.none() | st.sampled_from(["ada@example.com", "bob@example.com"])
USERS = st.builds(
    PlatformUser,
    st.just(Platform.SLACK),
    IDS,
    st.lists(HANDLES, max_size=2).map(tuple),
    st.text(max_size=5),
    EMAILS,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
WANTED = st.builds(
    Wanted, st.just("ada"), st.just("Ada Example"), st.none() | IDS, st.none() | HANDLES, EMAILS
)


@given(st.lists(WANTED, max_size=4), st.lists(USERS, max_size=6))
def test_no_match_is_ever_doubtful(wanted: list[Wanted], users: list[PlatformUser]) -> None:
    found = resolve_all(wanted, users)
    assert len(found) == len(wanted)
    for want, resolution in zip(wanted, found, strict=True):
        if isinstance(resolution, Resolved):
            match = resolution.user
            assert match.active
            if want.id:
                assert match.id == want.id
            else:
                assert not match.is_bot
                handles = {handle.casefold() for handle in match.usernames}
                assert (want.username or "").casefold() in handles or want.email == match.email
        else:
            assert resolution.reason
    matched = [r.user.id for w, r in zip(wanted, found, strict=True) if isinstance(r, Resolved) and not w.id]
    assert len(matched) == len(set(matched))


class TestWhatIsKept:
    """`record_identities`: ids are learnt once, changed usernames are followed, nothing is forgotten."""

    pytestmark = pytest.mark.django_db

    FIRST = datetime(2026, 5, 1, 2, tzinfo=UTC)
    LATER = FIRST + timedelta(days=7)

    @pytest.fixture
    def employee(self) -> Employee:
        return Employee.objects.create(key="ada", name="Ada Example", slack_username="ada")

    def handles(self) -> list[tuple[str, datetime, datetime]]:
        rows = EmployeeHandle.objects.order_by("username")
        return [(row.username, row.first_seen_at, row.last_seen_at) for row in rows]

    def test_the_id_is_learnt_and_the_username_remembered(self, employee: Employee) -> None:
        assert record_identities(seen=[IdentitySeen("ada", user("U1", "ada"))], at=self.FIRST) == ("ada",)
        employee.refresh_from_db()
        assert employee.slack_user_id == "U1"
        assert self.handles() == [("ada", self.FIRST, self.FIRST)]

    def test_seeing_the_same_again_only_moves_the_last_sighting(self, employee: Employee) -> None:
        sight = IdentitySeen("ada", user("U1", "ada"))
        record_identities(seen=[sight], at=self.FIRST)
        versions = employee.history.count()
        assert record_identities(seen=[sight], at=self.LATER) == ()
        assert employee.history.count() == versions
        assert self.handles() == [("ada", self.FIRST, self.LATER)]

    def test_a_changed_username_is_followed_and_the_old_one_kept(self, employee: Employee) -> None:
        record_identities(seen=[IdentitySeen("ada", user("U1", "ada"))], at=self.FIRST)
        renamed = IdentitySeen("ada", user("U1", "ada.lovely"), changed_from="ada")
        assert record_identities(seen=[renamed], at=self.LATER) == ("ada",)
        employee.refresh_from_db()
        assert (employee.slack_user_id, employee.slack_username) == ("U1", "ada.lovely")
        assert self.handles() == [
            ("ada", self.FIRST, self.FIRST),
            ("ada.lovely", self.LATER, self.LATER),
        ]

    def test_a_username_given_up_is_followed_too(self, employee: Employee) -> None:
        record_identities(seen=[IdentitySeen("ada", user("U1"), changed_from="ada")], at=self.FIRST)
        employee.refresh_from_db()
        assert (employee.slack_user_id, employee.slack_username) == ("U1", "")
        assert [username for username, _, _ in self.handles()] == ["ada"]

    def test_a_telegram_id_is_a_number(self, employee: Employee) -> None:
        sight = PlatformUser(Platform.TELEGRAM, "4200000001", ("adaexample",))
        record_identities(seen=[IdentitySeen("ada", sight)], at=self.FIRST)
        employee.refresh_from_db()
        assert (employee.telegram_user_id, employee.telegram_username) == (4200000001, "adaexample")
        handle = load_policy().people[0].handles[Platform.TELEGRAM]
        assert (handle.id, handle.username) == ("4200000001", "adaexample")

    @pytest.mark.parametrize(
        "edited", [{"slack_username": "other"}, {"slack_user_id": "U5"}], ids=["username", "id"]
    )
    def test_what_staff_edited_meanwhile_wins(self, employee: Employee, edited: dict[str, str]) -> None:
        Employee.objects.update(**edited)
        assert record_identities(seen=[IdentitySeen("ada", user("U1", "ada"))], at=self.FIRST) == ()
        assert self.handles() == []

    def test_an_id_of_somebody_else_is_left_to_them(self, employee: Employee) -> None:
        Employee.objects.create(key="bob", name="Bob Example", slack_user_id="U1")
        assert record_identities(seen=[IdentitySeen("ada", user("U1", "ada"))], at=self.FIRST) == ()
        employee.refresh_from_db()
        assert employee.slack_user_id is None

    def test_a_username_too_long_to_be_real_costs_nothing_else(self, employee: Employee) -> None:
        endless = "a" * (LONGEST_USERNAME + 1)
        record_identities(seen=[IdentitySeen("ada", user("U1", endless), changed_from="ada")], at=self.FIRST)
        employee.refresh_from_db()
        assert (employee.slack_user_id, employee.slack_username) == ("U1", "ada")
        employee.full_clean()
        assert [username for username, _, _ in self.handles()] == ["ada"]

    def test_an_employee_deleted_meanwhile_is_no_problem(self) -> None:
        assert record_identities(seen=[IdentitySeen("ada", user("U1", "ada"))], at=self.FIRST) == ()

    def test_the_cost_does_not_grow_with_what_stays_the_same(
        self, django_assert_max_num_queries: Callable[..., object]
    ) -> None:
        seen = []
        for number in range(50):
            Employee.objects.create(key=f"e{number}", name="E", slack_username=f"e{number}")
            seen.append(IdentitySeen(f"e{number}", user(f"U{number}", f"e{number}")))
        record_identities(seen=seen, at=self.FIRST)
        with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
            record_identities(seen=seen, at=self.LATER)
