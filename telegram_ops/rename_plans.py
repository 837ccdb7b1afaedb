"""Plans of renames: which groups get which names, and why the others do not. Pure: knows no database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.platforms.types import Platform
from telegram_ops.new_names import Renamer, problem_of, spelt

KIND = "rename_groups"
RENAME = "rename"
OLD, NEW = "old", "new"
"""The arguments of a step."""

GroupKey = tuple[Platform, str]
"""Platform and the platform's own id."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group as last seen, whether it is to be renamed or not."""

    platform: Platform
    id: str
    name: str
    obstacle: str = ""
    """Why nobody can rename it: one sentence."""

    @property
    def key(self) -> GroupKey:
        return self.platform, self.id

    @property
    def target(self) -> Target:
        return Target(self.platform, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Wish:
    """A group, and the name that somebody wants it to have."""

    group: Candidate
    name: str
    needless: str = ""
    """Why its own name would stay: one sentence."""


def draw_up(
    wishes: Iterable[Wish],
    everybody: Iterable[Candidate],
    *,
    skipped: Iterable[Skipped] = (),
    parameters: Mapping[str, Any],
    reach: int,
) -> Plan:
    """A step for each wish that can be fulfilled, by platform and name; of the others, the reason.

    `everybody` are all the groups that are known. Slack's names are unique, so one that another channel
    has, or gets in this plan, is refused for all who want it; equal Telegram titles are no trouble.
    """
    left_out = list(skipped)
    fulfillable: list[tuple[Candidate, str]] = []
    for wish in sorted(wishes, key=_in_order):
        new = spelt(wish.group.platform, wish.name)
        if reason := _obstacle(wish, new):
            left_out.append(Skipped(wish.group.target, reason))
        else:
            fulfillable.append((wish.group, new))
    owners = _owners(everybody)
    wanted = Counter((group.platform, new) for group, new in fulfillable)
    steps = []
    for group, new in fulfillable:
        if group.platform is Platform.SLACK and (reason := _collision(group, new, owners, wanted)):
            left_out.append(Skipped(group.target, reason))
        else:
            steps.append(PlannedStep(RENAME, group.target, {OLD: group.name, NEW: new}))
    return Plan(KIND, tuple(steps), tuple(left_out), parameters=parameters, reach=reach)


def wishes_of(groups: Iterable[Candidate], rename: Renamer, *, named: bool) -> Iterator[Wish]:
    """What a pattern makes of the groups' names. Those `named` one by one it says something of in any case.

    Raises PatternTrouble.
    """
    for group in groups:
        new = rename(group.name)
        if new is not None:
            yield Wish(group, new)
        elif named:
            yield Wish(group, group.name, "The name has nothing in it that would be replaced.")


def wishes_in(mapping: Mapping[str, str], groups: Sequence[Candidate]) -> tuple[list[Wish], dict[str, str]]:
    """What a mapping wants of the groups, and the words that lead to no one group, with the reason.

    A word is a title, an id, or "slack:ID" and "telegram:ID". A title counts as it is written, and only
    where no group is called so, whatever its case. Nothing is guessed: a word that may mean two groups
    means neither, and a group that is given two names keeps its own.
    """
    index = _Index(groups)
    found: dict[GroupKey, list[tuple[str, Candidate]]] = defaultdict(list)
    lost: dict[str, str] = {}
    for word in mapping:
        match index.find(word):
            case [group]:
                found[group.key].append((word, group))
            case several:
                lost[word] = not_one(several)
    wishes = []
    for same in found.values():
        group = same[0][1]
        names = {mapping[word] for word, _ in same}
        if len(names) == 1:
            wishes.append(Wish(group, names.pop()))
        else:
            words = " and ".join(f"“{word}”" for word, _ in same)
            wishes.append(Wish(group, group.name, f"The mapping gives it different names: {words}."))
    return wishes, lost


def groups_called(
    words: Iterable[str], groups: Sequence[Candidate]
) -> tuple[list[Candidate], dict[str, str]]:
    """The groups that the words mean, as in `wishes_in`, each once; and those that mean no one group."""
    index = _Index(groups)
    chosen: dict[GroupKey, Candidate] = {}
    lost: dict[str, str] = {}
    for word in words:
        match index.find(word):
            case [group]:
                chosen[group.key] = group
            case several:
                lost[word] = not_one(several)
    return list(chosen.values()), lost


def not_one(several: Sequence[Candidate]) -> str:
    """Why a word that may mean these groups leads to none of them."""
    if not several:
        return "No audit has seen a group of this name or id: look whether it is spelt so."
    ids = ", ".join(f"{group.platform}:{group.id}" for group in several)
    return f"{len(several)} groups are called so: write the id ({ids})."


class _Index:
    """Groups by the words that people have for them, the exact ones first."""

    def __init__(self, groups: Iterable[Candidate]) -> None:
        self._exact: dict[str, dict[GroupKey, Candidate]] = defaultdict(dict)
        self._folded: dict[str, dict[GroupKey, Candidate]] = defaultdict(dict)
        for group in groups:
            for word in (group.id, f"{group.platform}:{group.id}", group.name):
                self._exact[word][group.key] = group
            self._folded[group.name.casefold()][group.key] = group

    def find(self, word: str) -> list[Candidate]:
        word = word.strip()
        bare = word.removeprefix("#")
        for index, key in ((self._exact, word), (self._exact, bare), (self._folded, bare.casefold())):
            if key in index:
                return list(index[key].values())
        return []


def _owners(everybody: Iterable[Candidate]) -> dict[tuple[Platform, str], list[Candidate]]:
    owners = defaultdict(list)
    for group in everybody:
        owners[group.platform, group.name].append(group)
    return owners


def _obstacle(wish: Wish, new: str) -> str:
    """Why the group is not to be renamed, whatever becomes of the others."""
    if wish.needless or new == wish.group.name:
        return wish.needless or "The name would stay as it is."
    return wish.group.obstacle or problem_of(wish.group.platform, new)


def _collision(
    group: Candidate,
    new: str,
    owners: Mapping[tuple[Platform, str], Sequence[Candidate]],
    wanted: Mapping[tuple[Platform, str], int],
) -> str:
    """Why a channel cannot have this name: on Slack there is one of each."""
    others = [other for other in owners.get((group.platform, new), ()) if other.id != group.id]
    if others:
        return f"“{new}” is the name of another channel ({others[0].id}): choose another name."
    if wanted[group.platform, new] > 1:
        return f"{wanted[group.platform, new]} channels would be called “{new}”: names on Slack are unique."
    return ""


def _in_order(wish: Wish) -> tuple[int, str, str]:
    return list(Platform).index(wish.group.platform), wish.group.name.casefold(), wish.group.id
