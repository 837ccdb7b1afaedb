"""What the bot answers an owner: each command calls the service that its page in the admin calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Count

from members.clock import shared_now
from whitelist import community, facts, flags, preflight, services
from whitelist.bot_commands import HELP, Command, Verb
from whitelist.burning import Cause
from whitelist.decision import SubscriptionStatus, decide, explain
from whitelist.facts import Census
from whitelist.kinds import cap_of_sweeps
from whitelist.models import Subscription, WhitelistEntry
from whitelist.names import names_of
from whitelist.preflight import PreflightRefused
from whitelist.record import gated_chat_id
from whitelist.sweep import SweepPlan, plan_sweep

NAMED = 40
"""How many people a message names."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The dry run that /kicks_on showed: what /kicks_on_confirm speaks of."""

    plan_hash: str
    count: int
    hours: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, and the dry run that it shows, if it does."""

    text: str
    preview: Preview | None = None


def actor_of(owner_id: int) -> str:
    """What the record calls an owner who uses the bot: names can change hands."""
    return f"telegram:{owner_id}"


def answer(command: Command, *, owner_id: int, at: datetime, seen: Preview | None = None) -> Answer:
    """Do what an owner wrote, and say what came of it.

    `at` is as of when it is to hold: protection that was granted later is not taken away by a message that
    was long on its way. `seen` is the last dry run that the owner was shown before they wrote.
    """
    actor = actor_of(owner_id)
    telegram_id = command.telegram_id or owner_id
    match command.verb:
        case Verb.KICKS_OFF:
            flags.turn_kicks_off(actor=actor)
            return Answer("Kicks are off. A sweep that is under way stops before its next kick.")
        case Verb.KICKS_ON:
            return _preflight(actor, command.number)
        case Verb.KICKS_ON_CONFIRM:
            return Answer(_turn_on(actor, command.number, seen))
        case Verb.KICKS_STATUS:
            return Answer("\n".join(_status(facts.census(now=shared_now()))))
        case Verb.WL_ADD:
            return Answer(_add(telegram_id, actor, command.text))
        case Verb.WL_REMOVE:
            return Answer(_remove(telegram_id, actor, command.text, at))
        case Verb.WL_STATUS:
            return Answer("\n".join(_person(telegram_id)))
        case Verb.WL_STATS:
            return Answer("\n".join(_whitelist()))
        case Verb.WL_REPORT:
            return Answer("\n".join(_report()))
        case Verb.DRYRUN_EXPIRED:
            return Answer("\n".join([*_sweep(plan_sweep(now=shared_now())), "Nobody was kicked."]))
    return Answer(HELP)


def _preflight(actor: str, hours: int | None) -> Answer:
    if hours is not None and not 0 < hours <= preflight.LONGEST_HOURS:
        return Answer(f"Say a whole number of hours from 1 to {preflight.LONGEST_HOURS:,}.")
    report = preflight.show(actor=actor)
    lines = [*_status(report.census), *_coverage(report.accounted, report.size), *_sweep(report.sweep)]
    number = ""
    if report.objection:
        lines.append(f"! {report.objection}")
        number = f" {report.count}"
    for_hours = f" for {hours} hour{'s' * (hours != 1)}" if hours else ""
    lines.append(f"To turn kicks on{for_hours}, write within ten minutes: /kicks_on_confirm{number}")
    return Answer("\n".join(lines), Preview(report.plan_hash, report.count, hours))


def _turn_on(actor: str, typed: int | None, seen: Preview | None) -> str:
    if seen is None:
        return "Write /kicks_on first, and read what it shows. Kicks are as they were."
    if typed is not None and typed != seen.count:
        return f"The number at risk is {seen.count:,}, not {typed:,}. Kicks are as they were."
    try:
        until = preflight.turn_on(
            actor=actor, plan_hash=seen.plan_hash, count=seen.count, hours=seen.hours, typed_count=typed
        )
    except PreflightRefused as error:
        return f"{error} Kicks are as they were."
    return f"Kicks are on until {_moment(until)}." if until else "Kicks are on until somebody turns them off."


def _add(telegram_id: int, actor: str, note: str) -> str:
    granted = services.grant(telegram_ids=[telegram_id], actor=actor, note=note)
    if granted.burned:
        services.revive(telegram_ids=granted.burned, actor=actor, note=note)
        return f"{_called(telegram_id)} is protected again: their entry had been burned."
    return f"{_called(telegram_id)} is protected{'' if granted.new else ' already'}."


def _remove(telegram_id: int, actor: str, reason: str, at: datetime) -> str:
    if services.burn(telegram_ids=[telegram_id], cause=Cause.MANUAL, actor=actor, reason=reason, at=at):
        return f"{_called(telegram_id)} is not protected any more. Nobody is kicked by this."
    if services.is_whitelisted(telegram_id):
        return f"{_called(telegram_id)} was protected after you wrote this, and still is."
    return f"{_called(telegram_id)} was not protected."


def _person(telegram_id: int) -> Iterator[str]:
    person, now = facts.people([telegram_id])[telegram_id], shared_now()
    kicks_on = flags.kick_enabled()
    yield f"{_called(telegram_id)} {decide(person, kicks_on=kicks_on, now=now)}."
    for number, step in enumerate(explain(person, kicks_on=kicks_on, now=now), start=1):
        yield f"{number}. {step.topic}: {step.answer}{' (this decides)' if step.decides else ''}"
    if not kicks_on:
        yield f"If kicks were on, they {decide(person, kicks_on=True, now=now)}."
    entry = WhitelistEntry.objects.filter(pk=telegram_id).first()
    if entry is not None:
        yield f"Whitelisted {_moment(entry.granted_at)} ({entry.source}{', ' * bool(entry.note)}{entry.note})"
        if entry.revoked_at is not None:
            yield f"Burned {_moment(entry.revoked_at)}: {Cause(entry.revoke_cause or Cause.MANUAL).words}"


def _status(census: Census) -> Iterator[str]:
    switch = flags.switch()
    if flags.kick_enabled():
        yield f"Kicks are ON until {_moment(switch.expires_at) if switch.expires_at else 'turned off'}."
    else:
        yield "Kicks are off."
    yield (
        f"{census.members:,} members, {census.subscribed:,} subscribed, {census.whitelisted:,} whitelisted, "
        f"{census.at_risk:,} at risk."
    )


def _coverage(accounted: int, size: int) -> Iterator[str]:
    reading = community.last_reading(gated_chat_id())
    if reading is None:
        yield "Nobody has read the member list yet."
        return
    expected = "" if reading.expected is None else f" of {reading.expected:,}"
    yield f"Members last read {_moment(reading.read_at)}: {reading.seen:,}{expected}."
    if size:
        yield f"Accounted for: {accounted:,} of {size:,} ({min(1.0, accounted / size):.1%})."


def _whitelist() -> Iterator[str]:
    protected = WhitelistEntry.objects.filter(revoked_at=None)
    burned = WhitelistEntry.objects.filter(revoked_at__isnull=False)
    yield f"{protected.count():,} protected, {burned.count():,} burned."
    yield from _counts("Protected", protected.order_by().values_list("source").annotate(Count("pk")))
    causes = burned.order_by().values_list("revoke_cause").annotate(Count("pk"))
    yield from _counts("Burned", ((Cause(each or Cause.MANUAL).words, n) for each, n in causes))


def _report() -> Iterator[str]:
    report = preflight.look(now=shared_now())
    yield from _status(report.census)
    yield from _coverage(report.accounted, report.size)
    yield from _whitelist()
    states = Counter(dict(Subscription.objects.order_by().values_list("status").annotate(Count("pk"))))
    yield from _counts("Subscriptions", ((str(status), states[status]) for status in SubscriptionStatus))
    yield from _sweep(report.sweep)


def _sweep(sweep: SweepPlan) -> Iterator[str]:
    plan = sweep.plan
    people = "1 person" if plan.count == 1 else f"{plan.count:,} people"
    yield f"A sweep would kick {people} (dry run {plan.hash})."
    for step in plan.steps[:NAMED]:
        target = step.target
        name = "" if target.subject_name == target.user_id else f" {target.subject_name}"
        yield f"• {target.user_id}{name}"
    if plan.count > NAMED:
        yield f"and {plan.count - NAMED:,} more"
    if too_large := cap_of_sweeps().exceeded_by(plan):
        yield f"{too_large} A scheduled sweep would kick nobody."
    yield from _counts("Kept", ((reason.words, count) for reason, count in sweep.kept.items()))


def _counts(title: str, counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield from (f"{title} ({name}): {count:,}" for name, count in counts if count)


def _called(telegram_id: int) -> str:
    return " ".join(filter(None, (str(telegram_id), str(names_of([telegram_id])[telegram_id]))))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
