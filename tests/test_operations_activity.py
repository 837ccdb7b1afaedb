"""The record of who did what: appended to by anybody at any time, changed by nobody, provably whole."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.core import serializers
from django.db import IntegrityError, connection, models, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from members.operations import activity
from members.operations.activity import Event, Verdict
from members.operations.models import ActivityEvent, ActivityHead, AppendOnly
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform

NOW = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


def record(*actions: str) -> None:
    for action in actions:
        activity.record(events=[Event("ada", action)], at=NOW)


def by_force() -> models.QuerySet[ActivityEvent]:
    """The events, for somebody who has the database and no manners."""
    return models.QuerySet(ActivityEvent)


@pytest.mark.django_db
class TestAppending:
    def test_leaves_a_whole_record(self) -> None:
        record("one", "two")
        activity.record(events=[Event("bob", "three"), Event("bob", "four")], at=NOW)

        assert activity.verify() == Verdict(4)
        assert list(ActivityEvent.objects.values_list("action", flat=True)) == ["one", "two", "three", "four"]

    def test_of_nothing_changes_nothing(self) -> None:
        activity.record(events=[], at=NOW)

        assert activity.verify() == Verdict(0)

    def test_keeps_words_as_they_are(self) -> None:
        event = Event(
            actor="Ada “Ā” Example",
            action="step.add",
            operation_id=7,
            platform=Platform.SLACK,
            group_id="C1",
            group_name='a\n"b"\\ \u2028 🦊',
            subject="",
            outcome=Outcome.ALREADY_THERE,
            detail="x" * 3000,
        )
        activity.record(events=[event], at=NOW)

        stored = ActivityEvent.objects.get()
        assert (stored.group_name, stored.outcome, stored.at) == (event.group_name, "already_there", NOW)
        assert activity.verify() == Verdict(1)

    def test_that_was_taken_back_leaves_no_trace(self) -> None:
        record("one")
        with pytest.raises(RuntimeError), transaction.atomic():
            record("two")
            raise RuntimeError
        record("three")

        assert activity.verify() == Verdict(2)


@pytest.mark.django_db(transaction=True)
def test_many_append_at_once() -> None:
    def append(number: int) -> None:
        try:
            record(*(f"{number}.{turn}" for turn in range(10)))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))

    assert activity.verify() == Verdict(80)
    assert ActivityEvent.objects.values("action").distinct().count() == 80


@pytest.mark.django_db(transaction=True)
def test_is_verified_while_others_append() -> None:
    record(*(f"old {number}" for number in range(50)))

    def append() -> None:
        try:
            record(*(f"new {number}" for number in range(50)))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        appending = pool.submit(append)
        while not appending.done():
            assert activity.verify().problem == ""
        appending.result()
    assert activity.verify() == Verdict(100)


SAID = [field.name for field in ActivityEvent._meta.fields if field.name not in ("id", "hash")]


@pytest.mark.django_db
class TestTampering:
    @pytest.fixture(autouse=True)
    def five_events(self) -> list[int]:
        record("one", "two", "three", "four", "five")
        return self.ids()

    def ids(self) -> list[int]:
        return list(ActivityEvent.objects.values_list("pk", flat=True))

    @pytest.mark.parametrize("field", SAID)
    def test_a_change_of_anything_is_found(self, field: str) -> None:
        third = self.ids()[2]
        other = {"at": NOW + timedelta(seconds=1), "operation_id": 9}.get(field, "other")

        by_force().filter(pk=third).update(**{field: other})

        assert activity.verify().broken_at == third

    @pytest.mark.parametrize("at", range(5))
    def test_a_removal_is_found(self, at: int) -> None:
        ids = self.ids()

        by_force().filter(pk=ids[at]).delete()

        verdict = activity.verify()
        assert verdict.problem
        assert verdict.broken_at == (ids[at + 1] if at < 4 else None)

    def test_the_removal_of_everything_is_found(self) -> None:
        by_force().delete()

        assert activity.verify().problem

    def test_a_forged_end_is_found(self) -> None:
        """With a hash that fits; only the stored end does not know it."""
        last = ActivityEvent.objects.last()
        assert last is not None
        forged = ActivityEvent(at=NOW, actor="mal", action="forged", previous_hash=last.hash)
        forged.hash = activity.digest(forged)
        forged.save()

        assert "5 events were recorded, 6 are there" in activity.verify().problem

    def test_an_insertion_is_found(self) -> None:
        first, second, *_ = self.ids()
        by_force().filter(pk=first).update(id=first - 1000)
        original = ActivityEvent.objects.get(pk=first - 1000)
        forged = ActivityEvent(pk=first, at=NOW, actor="mal", action="forged", previous_hash=original.hash)
        forged.hash = activity.digest(forged)
        forged.save()

        assert activity.verify().broken_at == second

    def test_another_order_is_found(self) -> None:
        _, second, third, *_ = self.ids()
        for old, new in ((second, 0), (third, second), (0, third)):
            by_force().filter(pk=old).update(id=new)

        assert activity.verify().broken_at == second

    def test_a_forgotten_end_is_found(self) -> None:
        ActivityHead.objects.all().delete()

        assert activity.verify().problem

    def test_a_record_that_goes_on_after_it_stays_broken(self) -> None:
        by_force().filter(pk=self.ids()[-1]).delete()

        record("six")

        assert activity.verify().problem


def stored() -> ActivityEvent:
    return ActivityEvent.objects.get()


def overwriting() -> ActivityEvent:
    return ActivityEvent(pk=stored().pk, at=NOW, actor="mal", action="x", previous_hash="0", hash="1")


def everything() -> models.QuerySet[ActivityEvent]:
    return ActivityEvent.objects.all()


def load(**changed: str) -> None:
    """As Django's `loaddata`, which writes past every model's `save`."""
    event = stored()
    for name, value in changed.items():
        setattr(event, name, value)
    for loaded in serializers.deserialize("json", serializers.serialize("json", [event])):
        loaded.save()


WAYS_TO_CHANGE: dict[str, Callable[[], object]] = {
    "save": lambda: stored().save(),
    "delete": lambda: stored().delete(),
    "save over the same id": lambda: overwriting().save(),
    "update": lambda: everything().update(actor="mal"),
    "delete all": lambda: everything().delete(),
    "update by Django's own manager": lambda: ActivityEvent._base_manager.update(actor="mal"),
    "delete by Django's own manager": lambda: ActivityEvent._base_manager.all().delete(),
    "delete as a cascade does": lambda: everything()._raw_delete(using="default"),
    "bulk_update": lambda: ActivityEvent.objects.bulk_update([stored()], ["actor"]),
    "bulk_create over the same id": lambda: ActivityEvent.objects.bulk_create(
        [overwriting()], update_conflicts=True, unique_fields=["id"], update_fields=["actor"]
    ),
    "the same by position": lambda: ActivityEvent.objects.bulk_create(
        [overwriting()], None, False, True, ["actor"], ["id"]
    ),
    "loaddata": lambda: load(actor="mal"),
    "update_or_create": lambda: ActivityEvent.objects.update_or_create(
        pk=stored().pk, defaults={"actor": "mal"}
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("way", WAYS_TO_CHANGE)
def test_the_orm_changes_nothing(way: str) -> None:
    record("one")

    with pytest.raises((AppendOnly, IntegrityError)), transaction.atomic():
        WAYS_TO_CHANGE[way]()

    assert activity.verify() == Verdict(1)
    assert stored().actor == "ada"


@pytest.mark.django_db
class TestAnyRecord:
    @settings(max_examples=30)
    @given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))))
    def test_is_whole(self, batches: list[list[str]]) -> None:
        with transaction.atomic():
            for batch in batches:
                activity.record(events=[Event("ada", "said", detail=text) for text in batch], at=NOW)
            assert activity.verify() == Verdict(sum(map(len, batches)))
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_a_fixture_brings_back_what_was_lost() -> None:
    record("one")
    fixture = serializers.serialize("json", [stored()])
    by_force().delete()

    for loaded in serializers.deserialize("json", fixture):
        loaded.save()

    assert stored().actor == "ada"
