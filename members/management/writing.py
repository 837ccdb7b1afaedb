"""What all commands that change a platform have in common: plan, print, and only with `--yes` do it."""

from __future__ import annotations

import os
import pwd
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import groupby, islice
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from members.management.base import ExitCode, PlainCommand
from members.management.interruption import Interruption
from members.management.progress import ProgressLine
from members.operations import kinds, services
from members.operations.contract import operation_document, plan_document
from members.operations.display import arguments_label, asked_for, tally
from members.operations.models import Operation, Step, Trigger
from members.operations.plan import Plan, Skipped, Target
from members.operations.progress import load_progress, step_counts, time_allowed
from members.operations.reports import where_is
from members.operations.runner import OperationBusy, recover_operations, run_operation
from members.operations.services import Actor, OperationRefused
from members.operations.states import UNDER_WAY, OperationState, StepState
from members.operations.tasks import enqueue
from members.operations.words import STATE_WORDS
from members.platforms.types import Platform
from members.spreadsheet import one_line

SHOWN = 50
"""How many lines of a list are printed; `--json` has them all."""
_NAMED = 10
"""Up to how many of those skipped for one reason are named."""
_PAUSE = 1.0
_SEE_ABOVE = "Not all of it was done: the lines with an exclamation mark say why."
_WHY_NOT_ALL: dict[str, str] = {OperationState.CANCELLED: "Somebody cancelled it: what had been done stays."}
_LONG = timedelta(seconds=60)
"""What somebody else's operation may wait before this command leaves it alone."""


class WriterCommand(PlainCommand):
    """A command that makes one operation, the same that the admin makes."""

    kind: str
    """The name of the operation's kind."""
    parent: Operation | None = None
    """What the operation comes of; `plan` may say so."""
    left_out: tuple[Skipped, ...] = ()
    """The names that somebody wrote down and that lead to no one group; `plan` may say so."""
    unread: str = ""
    """Why the plan may lack something that the platforms did not tell, one line; `plan` may say so."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--yes", action="store_true", help="Do what is planned.")
        how.add_argument("--dry-run", action="store_true", help="Only plan, which is the default.")
        parser.add_argument(
            "--count", type=int, metavar="N", help="The number of steps, typed to allow a plan above its cap."
        )
        parser.add_argument("--background", action="store_true", help="Hand the operation to the workers.")

    def plan(self, options: dict[str, Any]) -> Plan:
        """The plan for what the command line asks for. Raises CommandError."""
        raise NotImplementedError

    def follow_up(self, operation: Operation) -> ExitCode:
        """Do here what belongs to an operation that has ended, and print what came of it."""
        return ExitCode.DONE

    def handle(self, *args: Any, **options: Any) -> None:
        self._plan_and_do(options)
        if not options["yes"]:
            return
        if self.left_out:
            names = ", ".join(one_line(repr(line.target.group_name)) for line in self.left_out)
            raise CommandError(
                f"Left out, because no one group is meant: {names}. The lines above say more.",
                returncode=ExitCode.PARTLY_DONE,
            )
        if self.unread:
            raise CommandError(f"There may be more to do. {self.unread}", returncode=ExitCode.PARTLY_DONE)

    def _plan_and_do(self, options: dict[str, Any]) -> None:
        self._take_up_leftovers(go_on=options["yes"] and not options["background"])
        actor = command_line_actor()
        plan = self.plan(options)
        if not plan.count:
            self.print_nothing_to_do(plan, options)
            return
        store = services.plan_operation if options["yes"] else services.propose_operation
        operation = store(plan=plan, actor=actor, parent=self.parent)
        self._print_plan(operation)
        if not options["yes"]:
            self._write_document(operation, options)
            count = f" --count {operation.count}" if operation.over_cap else ""
            self.stdout.write(f"Nothing was done. To do it, say --yes{count}.")
            return
        operation = self._confirm(operation, actor, options)
        if options["background"]:
            enqueue(operation.pk)
            self._write_document(operation, options)
            self.stdout.write(f"Operation {operation.pk} was handed to the workers.")
            return
        operation, interrupted = self._run(operation, actor)
        self._write_document(operation, options)
        self._conclude(operation, interrupted=interrupted)

    def print_nothing_to_do(self, plan: Plan, options: dict[str, Any]) -> None:
        """Say so, and why. Nothing is kept: there is no operation to speak of."""
        self.stdout.write(f"{kinds.get(plan.kind).label}: nothing to do{_asked_for(plan)}")
        self._print_skipped(plan.skipped)
        if options["json"] is not None:
            self.write_json(options["json"], plan_document(plan))
            self.stdout.write(str(options["json"]))

    def _write_document(self, operation: Operation, options: dict[str, Any]) -> None:
        if options["json"] is not None:
            self.write_json(options["json"], operation_document(operation))
            self.stdout.write(str(options["json"]))

    def _confirm(self, operation: Operation, actor: Actor, options: dict[str, Any]) -> Operation:
        typed = options["count"]
        try:
            if typed is not None and typed != operation.count:
                raise OperationRefused(f"The plan has {_steps(operation.count)}, and --count says {typed}.")
            return services.confirm_operation(
                operation_id=operation.pk,
                plan_hash=operation.plan_hash,
                count=operation.count,
                actor=actor,
                typed_count=typed,
            )
        except OperationRefused as error:
            if operation.over_cap:
                operation = services.refuse_operation(operation=operation, actor=actor)
            self._write_document(operation, options)
            hint = f" Here: --count {operation.count}." if operation.over_cap and typed is None else ""
            raise CommandError(f"{error}{hint} Nothing was done.", returncode=ExitCode.USAGE) from error

    def _take_up_leftovers(self, *, go_on: bool) -> None:
        """What a dead process of this kind left behind comes first: nothing new is done beside it."""
        due = recover_operations()
        left = Operation.objects.filter(kind=self.kind, state__in=UNDER_WAY)
        for operation in left.exclude(state=OperationState.RUNNING).order_by("pk"):
            if go_on and operation.pk in due:
                self.stdout.write(f"Operation {operation.pk} was left unfinished: it goes on first.")
                operation, interrupted = self._run(operation, actor=None)
                if _is_over(operation):
                    self._print_outcome(operation)
                    self._follow_up(operation, interrupted=interrupted)
                    continue
                if interrupted:
                    raise KeyboardInterrupt
            self.stdout.write(f"Operation {operation.pk} is unfinished: {_what_it_waits_for(operation)}.")

    def _run(self, operation: Operation, actor: Actor | None) -> tuple[Operation, bool]:
        """Run it here to its end, waits included; the operation, and whether Ctrl-C was pressed.

        Ctrl-C has the `actor` cancel it: the call that is under way ends, and no other begins. Without an
        actor the operation is somebody else's: Ctrl-C and a long wait leave it to the workers.
        """
        key = operation.pk
        with Interruption() as interruption, ProgressLine(self) as line:

            def look() -> None:
                if interruption.asked:
                    _cancel(key, actor)
                _show(line, key)

            def stopping() -> bool:
                """Once it is cancelled, there is but to read what was done."""
                return interruption.asked and not operation.cancel_requested

            while not _is_over(operation):
                if actor is None and (interruption.asked or _waits_long(operation)):
                    break
                try:
                    operation = run_operation(key, show=look, stopping=stopping)
                except OperationBusy:
                    recover_operations()
                    operation.refresh_from_db()
                    look()
                    if not _is_over(operation):
                        time.sleep(_PAUSE)
                except KeyboardInterrupt:  # the second one: at once, whatever is under way
                    _cancel(key, actor)
                    raise
            return operation, interruption.asked

    def _print_plan(self, operation: Operation) -> None:
        label = kinds.get(operation.kind).label
        places = operation.steps.exclude(group_id="").order_by().values("platform", "group_id")
        where = places.distinct().count()
        groups = f" in {where} group{'' if where == 1 else 's'}" if where else ""
        self.stdout.write(
            f"{label}: {_steps(operation.count)}{groups}{_asked_for(operation)} (operation {operation.pk}, "
            f"plan {operation.plan_hash})"
        )
        lines = _step_lines(operation)
        shown = 0
        for line, count in islice(lines, SHOWN):
            self.stdout.write(line)
            shown += count
        if shown < operation.count:
            self.stdout.write(f"  … and {_steps(operation.count - shown)} more")
        self._print_skipped(services.skipped_of(operation))
        for warning in services.warnings_of(operation):
            self.stdout.write(f"Note: {one_line(warning)}")
        allowed = time_allowed(operation, timezone.now())
        if allowed is not None and allowed.seconds >= 60:
            self.stdout.write(f"Takes about {round(allowed.seconds / 60)} min: {allowed.why}")
        if operation.over_cap:
            self.stdout.write(f"Above the cap: {operation.over_cap}")

    def _print_skipped(self, lines: Iterable[Skipped]) -> None:
        by_reason: dict[str, list[Target]] = {}
        for skipped in lines:
            by_reason.setdefault(skipped.reason, []).append(skipped.target)
        for reason, targets in sorted(by_reason.items(), key=lambda item: -len(item[1])):
            if len(targets) == 1:
                self.stdout.write(f"Skipped: {_described(targets[0])}: {one_line(reason)}")
                continue
            self.stdout.write(f"Skipped {len(targets)} × {one_line(reason)}")
            if len(targets) <= _NAMED:
                for target in targets:
                    self.stdout.write(f"  {_described(target)}")

    def _conclude(self, operation: Operation, *, interrupted: bool) -> None:
        """Say how it ended, step by step where something failed, and leave with the exit code for it."""
        self._print_outcome(operation)
        followed = self._follow_up(operation, interrupted=interrupted)
        code = _exit_code(operation)
        if code is not ExitCode.DONE:
            message = operation.message or _WHY_NOT_ALL.get(operation.state, _SEE_ABOVE)
            raise CommandError("\n".join(map(one_line, message.splitlines())), returncode=code)
        if followed is not ExitCode.DONE:
            raise CommandError("It was done, but could not be verified.", returncode=followed)

    def _follow_up(self, operation: Operation, *, interrupted: bool) -> ExitCode:
        """`follow_up`, unless somebody wants to have done with it; in any case where the reports are."""
        try:
            if interrupted:
                raise KeyboardInterrupt
            return self.follow_up(operation)
        finally:
            for report in operation.reports.all():
                self.stdout.write(where_is(report))

    def _print_outcome(self, operation: Operation) -> None:
        parts = tally(operation.kind, step_counts(operation))
        counts = ", ".join(f"{part.value} {part.label[0].lower()}{part.label[1:]}" for part in parts)
        state = STATE_WORDS[OperationState(operation.state)].lower()
        self.stdout.write(f"Operation {operation.pk}: {state}: {counts}")
        failed = operation.steps.filter(state=StepState.FAILED)
        for step in failed.order_by("position")[:SHOWN]:
            self.stdout.write(f"! {_described(services.planned(step).target)}: {one_line(step.message)}")
        if (more := failed.count() - SHOWN) > 0:
            self.stdout.write(f"! … and {more} more")


def _asked_for(plan: Plan | Operation) -> str:
    """What the selection was, where its kind has a phrase for it: ", where the rules require it"."""
    words = asked_for(plan.kind, plan.parameters)
    return f", {words}" if words else ""


def command_line_actor() -> Actor:
    """Whoever may use the machine's command line may do what the owner may do; named for the record.

    They are the same person as whoever has an account here of that name. The machine says who it is, and
    not LOGNAME or USER, which anybody sets as they like.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        name = f"user {os.getuid()}"
    account = get_user_model().objects.filter(username__iexact=name).first()
    identity = services.identity_of(account) if account is not None else f"machine:{name}"[:160]
    return Actor(f"{name} (command line)"[:150], Trigger.COMMAND, may_override_cap=True, identity=identity)


def _is_over(operation: Operation) -> bool:
    """Whether it has ended, and so has what follows from that, whoever ran it."""
    return OperationState(operation.state).finished and not operation.owner


def _waits_long(operation: Operation) -> bool:
    return operation.resume_at is not None and operation.resume_at > timezone.now() + _LONG


def _what_it_waits_for(operation: Operation) -> str:
    if operation.resume_at is not None and operation.resume_at > timezone.now():
        return f"it waits until {operation.resume_at:%Y-%m-%d %H:%M:%S} UTC, and goes on by itself"
    return "the workers take it up, or the next of these commands with --yes"


def _exit_code(operation: Operation) -> ExitCode:
    match OperationState(operation.state):
        case OperationState.DONE:
            return ExitCode.DONE
        case OperationState.FAILED if operation.account_trouble:
            return ExitCode.NOT_CONFIGURED
        case OperationState.PARTIAL | OperationState.CANCELLED:
            return ExitCode.PARTLY_DONE
        case _:
            return ExitCode.UNEXPECTED


def _cancel(operation_id: int, actor: Actor | None) -> None:
    if actor is None or Operation.objects.filter(pk=operation_id, cancel_requested=True).exists():
        return
    with suppress(OperationRefused):  # it came to its end meanwhile
        services.cancel_operation(operation_id=operation_id, actor=actor)


def _show(line: ProgressLine, operation_id: int) -> None:
    """The share of the steps that are at their end, the pace, and what it waits for, and how long."""
    operation = Operation.objects.defer("skipped").get(pk=operation_id)
    progress = load_progress(operation, timezone.now())
    label = f"{progress.done} of {operation.count}"
    if progress.seconds_to_go is not None:
        minutes, seconds = divmod(round(progress.seconds_to_go), 60)
        label += f" · {minutes}:{seconds:02d} to go"
    if progress.per_minute is None or operation.message or operation.cancel_requested:
        label += f" · {progress.label}"
    else:
        label += f" · {progress.per_minute:.0f} a minute"
    if progress.whole_seconds is not None:
        label += f" · about {max(1, round(progress.whole_seconds / 60))} min in all"
    line.show(one_line(label), 100 * progress.done // max(1, operation.count))
    if operation.message:
        line.note(one_line(operation.message))


def _step_lines(operation: Operation) -> Iterator[tuple[str, int]]:
    """One line for all steps of a group that have one verb, and how many those are. What is written to a
    person, in no group, stands below them."""

    def place(step: Step) -> tuple[str, str, str, str]:
        return step.platform, step.group_id, step.verb, "" if step.group_id else step.user_id

    steps = operation.steps.order_by("position").iterator(chunk_size=500)
    for (platform, group_id, verb, _), together in groupby(steps, key=place):
        same = list(together)
        if not group_id:
            head = f"  {Platform(platform).label:<8}  {one_line(same[0].subject_name)}: {verb}"
            text = arguments_label(operation.kind, same[0].arguments).splitlines()
            yield "\n".join([head, *(f"      {one_line(line)}".rstrip() for line in text)]), len(same)
            continue
        who = ", ".join(one_line(_about(step, operation.kind)) for step in same)
        line = f"  {Platform(platform).label:<8}  {one_line(same[0].group_name)}: {verb} {who}"
        yield line.rstrip(), len(same)


def _about(step: Step, kind: str) -> str:
    """Whom a step is about, else what it does."""
    return step.subject_name or step.subject or arguments_label(kind, step.arguments)


def _described(target: Target) -> str:
    """Where and who, as far as it is known."""
    where = one_line(target.group_name or target.group_id)
    who = one_line(target.subject_name or target.subject)
    if target.group_name and not target.group_id:  # a name that leads to no group is on no platform
        return where
    return f"{target.platform.label:<8}  {' · '.join(part for part in (where, who) if part)}".rstrip()


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"
