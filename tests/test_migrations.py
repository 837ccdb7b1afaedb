"""What a migration does to the rows that are there already."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

pytestmark = pytest.mark.services  # all migrations back and forth: as they run in production


def migrate(name: str) -> StateApps:
    return MigrationExecutor(connection).migrate([("members", name)]).apps


@pytest.fixture
def before(transactional_db: None) -> Iterator[StateApps]:
    """The database as it was when the same rule could stand twice."""
    yield migrate("0001_initial")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_of_rules_that_say_the_same_the_first_stays(before: StateApps) -> None:
    rules = before.get_model("members", "MembershipRule").objects
    team = before.get_model("members", "Team").objects.create(key="core", name="Core team")
    kept = [
        rules.create(platform="slack", team=team, level="required").pk,
        rules.create(platform="slack", team=team, level="optional").pk,
        rules.create(platform="telegram", team=team, level="required").pk,
    ]
    rules.create(platform="slack", team=team, level="required")

    after = migrate("0002_rule_once")

    left = after.get_model("members", "MembershipRule").objects.order_by("pk")
    assert list(left.values_list("pk", flat=True)) == kept
