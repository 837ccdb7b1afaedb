"""In which order transactions lock rows: two that take the same ones in different orders are a deadlock."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from members.operations import custody, lease
from members.operations.ledger import Ledger
from members.operations.models import ActivityHead, Operation
from members.operations.parts import Way
from members.operations.states import StepState
from members.platforms.outcomes import Outcome, Reply
from members.platforms.types import Platform
from tests.operations_world import Desk, install, slack_step

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return install(Desk(), monkeypatch)


def test_the_end_of_a_step_locks_the_operation_before_the_record_as_whoever_cancels_does(desk: Desk) -> None:
    operation = custody.claim(desk.confirmed([slack_step(0, 0)]).pk)
    operation.attempts = 2  # of which the first came to nothing
    operation.save()
    hold = lease.take(connection=lease.connection_of(Platform.SLACK), owner=operation.owner)
    assert hold is not None
    ledger = Ledger(operation, Way(Platform.SLACK), hold)

    with CaptureQueriesContext(connection) as captured:
        ledger.settle([(step, Reply(Outcome.DONE)) for step in ledger.in_state(StepState.PENDING)])

    changes = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("UPDATE")]
    tables = [sql.split('"')[1] for sql in changes]
    assert tables.index(Operation._meta.db_table) < tables.index(ActivityHead._meta.db_table)
