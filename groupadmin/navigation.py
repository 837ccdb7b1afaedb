"""The admin's side navigation: which pages there are, in the order in which people need them.

Django groups models by the app that holds them; readers think in duties. A page is called as its model is,
here as in its own heading. A model that is not named here is not lost: it shows up under "More".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of the navigation with its pages, each an "app_label.modelname"."""

    name: str
    icon: str
    """A symbol's id in static/groupadmin/icons.svg."""
    pages: tuple[str, ...]


SECTIONS = (
    Section("People", "people", ("members.employee", "members.team")),
    Section("Groups", "chat", ("members.group", "members.category")),
    Section(
        "Policy",
        "policy",
        ("members.membershiprule", "members.scopeline", "members.namingrule", "members.exclusion"),
    ),
    Section("Audits", "audit", ("audits.auditrun", "audits.finding", "audits.groupresult")),
    Section("Changes", "check", ("operations.operation", "operations.activityevent")),
    Section("System", "system", ("auth.user", "auth.group", "groupadmin.schedule")),
)
MORE = Section("More", "more", ())


def arrange(models: Iterable[Mapping[str, Any]], current_path: str = "") -> list[dict[str, Any]]:
    """Django's model entries, regrouped into sections in the shape of `AdminSite.get_app_list`.

    Empty sections are left out. Beside Django's keys a section has `icon`, and an entry `current`: whether
    `current_path` lies below its list.
    """
    entries = {entry["model"]._meta.label_lower: entry for entry in models}
    placed = [(section, [label for label in section.pages if label in entries]) for section in SECTIONS]
    named = {label for section in SECTIONS for label in section.pages}
    rest = sorted(entries.keys() - named, key=lambda label: entries[label]["name"])
    return [
        {
            "name": section.name,
            "app_label": section.name.lower(),
            "app_url": "",
            "icon": section.icon,
            "has_module_perms": True,
            "models": [_entry(entries[label], current_path) for label in labels],
        }
        for section, labels in [*placed, (MORE, rest)]
        if labels
    ]


def _entry(entry: Mapping[str, Any], current_path: str) -> dict[str, Any]:
    url = entry["admin_url"]
    return {**entry, "current": bool(url) and current_path.startswith(url)}
