"""What an operation changed: the completeness of the groups it touched, before it and after.

The audit that tells is an ordinary one of the touched platforms: its cost follows people, not groups,
and it carries every finding on, which a look at a few groups could not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import QuerySet

from audits.latest import newest_results
from audits.models import AuditRun, GroupResult
from audits.rows import Verdict
from members.operations.models import Operation
from members.operations.plan import PlannedStep
from members.platforms.types import Platform


@dataclass(frozen=True, slots=True)
class GroupState:
    """One touched group. What no audit has told is ""."""

    platform: Platform
    id: str
    name: str
    before: str
    """Completeness, "6/8"."""
    after: str
    verdict_before: str
    verdict_after: str

    @property
    def complete_before(self) -> bool:
        return _is_complete(self.before, self.verdict_before)

    @property
    def complete_after(self) -> bool:
        return _is_complete(self.after, self.verdict_after)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a result says, as operations keep it."""

    name: str
    completeness: str
    verdict: str


def survey(steps: Sequence[PlannedStep]) -> dict[str, Any]:
    """What the latest audits say of the groups that the steps touch: for `Operation.before`."""
    names = {_word(s.target.platform, s.target.group_id): s.target.group_name for s in steps}
    known = _states(GroupResult.objects.filter(newest_results()), names)
    unknown = {word: asdict(_Judged(name, "", "")) for word, name in names.items()}
    return unknown | known


def note_outcome(run: AuditRun, operation_id: int) -> None:
    """Keep what `run`, a recorded audit, says of the groups that the operation touched."""
    operation = Operation.objects.get(pk=operation_id)
    operation.after = _states(GroupResult.objects.filter(run=run), operation.before)
    operation.save(update_fields=["after"])


def verification_of(operation_id: int) -> AuditRun | None:
    """The audit that looks, or looked, at what the operation did; the latest, if somebody asked again."""
    return AuditRun.objects.filter(operation_id=operation_id).order_by("-pk").first()


def before_and_after(operation: Operation) -> list[GroupState]:
    """The touched groups by platform and name. No query."""
    states = []
    for word, before in operation.before.items():
        platform, _, group_id = word.partition(":")
        after = operation.after.get(word, {})
        states.append(
            GroupState(
                platform=Platform(platform),
                id=group_id,
                name=after.get("name") or before["name"],
                before=before["completeness"],
                after=after.get("completeness", ""),
                verdict_before=before["verdict"],
                verdict_after=after.get("verdict", ""),
            )
        )
    return sorted(states, key=lambda state: (state.platform, state.name.casefold(), state.id))


def _is_complete(completeness: str, verdict: str) -> bool:
    """Whether everybody who must be there is, also where nobody would mind if not (`Verdict.EXEMPT`)."""
    present, _, required = completeness.partition("/")
    return verdict == Verdict.COMPLETE or (verdict == Verdict.EXEMPT and present == required)


def _states(results: QuerySet[GroupResult], words: Iterable[str]) -> dict[str, Any]:
    wanted = set(words)
    columns = ("group__platform", "group__external_id", "name", "completeness", "verdict")
    return {
        word: asdict(_Judged(name, completeness, verdict))
        for platform, group_id, name, completeness, verdict in results.values_list(*columns)
        if (word := _word(platform, group_id)) in wanted
    }


def _word(platform: str, group_id: str) -> str:
    return f"{platform}:{group_id}"
