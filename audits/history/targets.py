"""From what people call a group to the group: by id, or by name where only one has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from members.models import Group


class WrongGroup(Exception):
    """No group, or more than one, is called so: one line, and what to do."""


def find_groups(words: Iterable[str]) -> list[Group]:
    """The groups that `words` mean, each once, in their order. Raises WrongGroup."""
    found: dict[int, Group] = {}
    for word in words:
        group = _find(word)
        found.setdefault(group.pk, group)
    return list(found.values())


def _find(word: str) -> Group:
    plain = word.strip()
    platform, _, rest = plain.partition(":")
    if platform in ("slack", "telegram") and rest:
        rows = Group.objects.filter(platform=platform, external_id=rest)
    else:
        rows = Group.objects.filter(external_id=plain)
    groups = list(rows[:2]) or _called(plain)
    if not groups:
        raise WrongGroup(
            f"No group is called {plain!r}, by id or by name: run an audit, which makes the groups known, "
            "or copy the name from the list of groups."
        )
    if len(groups) > 1:
        raise WrongGroup(f"{len(groups)} groups are called {plain!r}: name one by its id: {_ids(groups)}.")
    return groups[0]


def _called(name: str) -> list[Group]:
    """Exactly so, else but for capitals and Slack's "#"."""
    exact = list(Group.objects.filter(name=name).order_by("platform", "external_id"))
    if exact:
        return exact
    return list(Group.objects.filter(name__iexact=name.removeprefix("#")).order_by("platform", "external_id"))


def _ids(groups: Sequence[Group]) -> str:
    return ", ".join(f"{group.platform}:{group.external_id}" for group in groups[:10])
