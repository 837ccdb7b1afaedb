"""The admin's side navigation: which pages there are, in the order in which people need them.

Django groups models by the app that holds them; readers think in duties. A page is called as its model is,
here as in its own heading. A model that is not named here is not lost: it shows up under "More".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Place:
    """A page that is no model's list."""

    name: str
    view: str
    """The name of its address in the admin."""
    permission: str = ""
    """Empty where everybody sees what is theirs."""


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of the navigation with its pages, each an "app_label.modelname"."""

    name: str
    icon: str
    """A symbol's id in static/groupadmin/icons.svg."""
    pages: tuple[str, ...]
    places: tuple[Place, ...] = ()
    """After the lists."""


SECTIONS = (
    Section(
        "People",
        "people",
        ("members.employee", "members.team", "staff_changes.staffchange"),
        (
            Place("My groups", "my_groups"),
            Place("Find a person", "find_person", "members.find_person"),
            Place("Remove a person", "remove_person", "operations.run_operation"),
        ),
    ),
    Section(
        "Groups",
        "chat",
        (
            "members.group",
            "members.category",
            "members.customer",
            "audits.powerlessgroup",
            "telegram_ops.ownershiprequest",
            "telegram_ops.ownershiptemplate",
        ),
    ),
    Section(
        "Policy",
        "policy",
        (
            "members.membershiprule",
            "members.scopeline",
            "members.namingrule",
            "members.exclusion",
            "audits.exclusionrequest",
        ),
    ),
    Section(
        "Audits",
        "audit",
        ("audits.auditrun", "audits.finding", "audits.groupresult", "events.liveevent"),
        (
            Place("Trends", "trends", "audits.view_auditrun"),
            Place("Compare two audits", "audits_auditrun_compare", "audits.view_finding"),
        ),
    ),
    Section(
        "Conversations",
        "talk",
        (
            "history.conversation",
            "history.liveliness",
            "history.exportjob",
            "history.syncjob",
            "history.retentionperiod",
            "history.purge",
        ),
        (Place("Search messages", "search_messages", "history.read_history"),),
    ),
    Section(
        "Changes",
        "check",
        (
            "operations.operation",
            "operations.activityevent",
            "evidence.evidencepack",
            "evidence.recordpurge",
        ),
    ),
    Section(
        "Gated community",
        "shield",
        (
            "whitelist.subscriber",
            "whitelist.subscription",
            "whitelist.whitelistentry",
            "whitelist.seedingjob",
            "whitelist.communitymember",
            "whitelist.featureflag",
        ),
        (
            Place("Status of a person", "community_person", "whitelist.view_subscriber"),
            Place("Community report", "community_report", "whitelist.view_subscriber"),
        ),
    ),
    Section(
        "System",
        "system",
        (
            "members.slackworkspace",
            "telegram_ops.telegramaccount",
            "auth.user",
            "auth.group",
            "groupadmin.apitoken",
            "groupadmin.schedule",
            "notices.notice",
        ),
    ),
)
MORE = Section("More", "more", ())
PARTS = {"operations.step": "operations.operation"}
"""A list without an entry → the list to whose rows its own belong: that one is marked as the current page."""


def arrange(
    models: Iterable[Mapping[str, Any]],
    current_path: str = "",
    may: Callable[[str], bool] = lambda permission: False,
) -> list[dict[str, Any]]:
    """Django's model entries, regrouped into sections in the shape of `AdminSite.get_app_list`.

    Empty sections are left out. Beside Django's keys a section has `icon`, and an entry `current`: whether
    `current_path` is its page, or lies below its list. `may` tells which permissions the reader has.
    """
    entries = {entry["model"]._meta.label_lower: entry for entry in models}
    placed = [
        (
            section,
            [entries[label] for label in section.pages if label in entries]
            + [_entry_of(place) for place in section.places if not place.permission or may(place.permission)],
        )
        for section in SECTIONS
    ]
    named = {label for section in SECTIONS for label in section.pages}
    rest = sorted((entries[label] for label in entries.keys() - named), key=itemgetter("name"))
    pages = [*entries.values(), *(entry for _, inside in placed for entry in inside)]
    for part, whole in PARTS.items():
        if current_path.startswith(_list_of(part)):
            current_path = _list_of(whole)
    here = {entry["admin_url"] for entry in pages if current_path.startswith(entry["admin_url"] or "\0")}
    current = max(here, key=len, default="")  # a page may lie below another's list
    return [
        {
            "name": section.name,
            "app_label": section.name.lower(),
            "app_url": "",
            "icon": section.icon,
            "has_module_perms": True,
            "models": [{**entry, "current": entry["admin_url"] == current} for entry in inside],
        }
        for section, inside in [*placed, (MORE, rest)]
        if inside
    ]


def _list_of(label: str) -> str:
    app, model = label.split(".")
    return reverse(f"admin:{app}_{model}_changelist")


def _entry_of(place: Place) -> dict[str, Any]:
    return {"name": place.name, "object_name": place.name, "admin_url": reverse(f"admin:{place.view}")}
