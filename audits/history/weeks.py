"""How a conversation goes on, week by week: how much is said, by whom, how soon people are answered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import NamedTuple

WEEK = timedelta(days=7)


class Utterance(NamedTuple):
    """One message of a person or a bot."""

    at: datetime
    employee: str = ""
    """The key of the employee who wrote it; "" for everybody else."""
    is_bot: bool = False


@dataclass(slots=True)
class Week:
    """What was said from a Monday (UTC) to the next."""

    monday: date
    messages: int = 0
    from_customers: int = 0
    by_employee: dict[str, int] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    """Seconds until an employee answered, for each answer given in this week."""
    last_said_at: datetime | None = None
    waiting_since: datetime | None = None
    """When the customer wrote whom nobody had answered as the week ended."""


def count_week(monday: date, talk: Iterable[Utterance], *, waiting_since: datetime | None) -> Week:
    """Count a week's `talk`, oldest first. `waiting_since` is what the week before ended with.

    A customer waits from their first message that no employee has answered to the next message of any
    employee. Bots neither ask nor answer.
    """
    week = Week(monday, waiting_since=waiting_since)
    for said in talk:
        week.messages += 1
        week.last_said_at = said.at
        if said.employee:
            week.by_employee[said.employee] = week.by_employee.get(said.employee, 0) + 1
            if week.waiting_since is not None:
                week.answers.append(int((said.at - week.waiting_since).total_seconds()))
                week.waiting_since = None
        elif not said.is_bot:
            week.from_customers += 1
            week.waiting_since = week.waiting_since or said.at
    return week


@dataclass(frozen=True, slots=True)
class Engagement:
    """A conversation over its last weeks."""

    weeks: Sequence[tuple[date, int]]
    """Each Monday and how many messages its week had, oldest first, quiet weeks included."""
    messages: int
    from_customers: int
    by_employee: Sequence[tuple[str, int]]
    """Employees who took part, by key, with how much they wrote; the busiest first."""
    answered: int
    usual_answer: timedelta | None
    """Half of the answers came within so long."""


def summarise(weeks: Iterable[Week], *, now: datetime, count: int) -> Engagement:
    """The last `count` weeks, the current one included."""
    this = monday_of(now)
    mondays = [this - number * WEEK for number in reversed(range(count))]
    counted = [week for week in weeks if mondays[0] <= week.monday <= this]
    messages = {week.monday: week.messages for week in counted}
    wrote: dict[str, int] = {}
    for week in counted:
        for key, number in week.by_employee.items():
            wrote[key] = wrote.get(key, 0) + number
    answers = [seconds for week in counted for seconds in week.answers]
    return Engagement(
        weeks=[(monday, messages.get(monday, 0)) for monday in mondays],
        messages=sum(messages.values()),
        from_customers=sum(week.from_customers for week in counted),
        by_employee=sorted(wrote.items(), key=lambda item: (-item[1], item[0])),
        answered=len(answers),
        usual_answer=timedelta(seconds=median(answers)) if answers else None,
    )


def monday_of(moment: datetime) -> date:
    """The first day of the week (UTC) that a moment is in."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def start_of(monday: date) -> datetime:
    """The moment (UTC) at which its week begins."""
    return datetime.combine(monday, time(), UTC)
