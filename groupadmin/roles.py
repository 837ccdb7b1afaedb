"""Who may do what: one table that is both the rights of the roles and the words that pages say about them.

An operator may do what an auditor may, and an owner what an operator may. After every migration the roles are
given what the table says, for only then do the permissions of new models exist. Nothing is ever taken from a
role here: what somebody added by hand stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps as global_apps
from django.contrib.auth.models import Group, Permission

AUDITOR, OPERATOR, OWNER = "Auditor", "Operator", "Owner"
ROLES = {
    AUDITOR: "Reads everything, and takes evidence away.",
    OPERATOR: "Audits, plans, confirms additions and renames, exports.",
    OWNER: "Removals, kicks, sign-ins and roles, and everything else.",
}
"""From the least to the most, each with what it is for."""


@dataclass(frozen=True, slots=True)
class Ability:
    """Something that people do here, who may do it, and the permissions that it takes."""

    words: str
    least: str
    """The role from which on people may."""
    permissions: tuple[str, ...]
    """As "app.codename", in which * stands for anything."""

    def takes(self, permission: str) -> bool:
        return any(fnmatchcase(permission, pattern) for pattern in self.permissions)

    def belongs_to(self, role: str) -> bool:
        ranks = list(ROLES)
        return ranks.index(role) >= ranks.index(self.least)


ABILITIES = (
    Ability(
        "See every page, and take tables and reports away",
        AUDITOR,
        (
            "audits.view_*",
            "auth.view_group",
            "auth.view_user",
            "evidence.view_*",
            "events.view_*",
            "groupadmin.view_*",
            "history.view_*",
            "members.view_*",
            "notices.view_*",
            "operations.view_*",
            "staff_changes.view_*",
            "telegram_ops.view_*",
            "whitelist.view_*",
        ),
    ),
    Ability("Find a person on the platforms", AUDITOR, ("members.find_person",)),
    Ability("Read and search conversations", AUDITOR, ("history.read_history",)),
    Ability("Make, take away and verify evidence of a period", AUDITOR, ("evidence.make_evidence",)),
    Ability("Run audits", OPERATOR, ("audits.run_audit",)),
    Ability(
        "Edit people, teams, customers, categories, rules, scope, names and exceptions",
        OPERATOR,
        (
            "audits.add_exclusionrequest",
            "members.change_group",
            "members.*_category",
            "members.*_customer",
            "members.*_employee",
            "members.*_employeeaccount",
            "members.*_exclusion",
            "members.*_membershiprule",
            "members.*_namingrule",
            "members.*_scopeline",
            "members.*_team",
        ),
    ),
    Ability("Lead people who leave and join through", OPERATOR, ("staff_changes.run_staffchange",)),
    Ability(
        "Plan every change; confirm additions, renames and messages", OPERATOR, ("operations.run_operation",)
    ),
    Ability(
        "Keep track of groups that belong to others, and edit what their owners read",
        OPERATOR,
        ("telegram_ops.change_ownershiprequest", "telegram_ops.*_ownershiptemplate"),
    ),
    Ability(
        "Fetch conversations, keep them up to date, and export them",
        OPERATOR,
        ("history.export_history", "history.keep_history"),
    ),
    Ability(
        "Edit schedules, and who is told what",
        OPERATOR,
        ("groupadmin.*_schedule", "notices.change_noticesettings"),
    ),
    Ability(
        "Edit subscribers and subscriptions, and protect people from kicks",
        OPERATOR,
        ("whitelist.*_subscriber", "whitelist.*_subscription", "whitelist.add_whitelistentry"),
    ),
    Ability("Turn kicks off, at once", OPERATOR, ("whitelist.stop_kicks",)),
    Ability("Confirm removals and kicks", OWNER, ("operations.confirm_removals",)),
    Ability("Confirm what is above its cap", OWNER, ("operations.override_cap",)),
    Ability("Turn kicks on", OWNER, ("whitelist.switch_kicks",)),
    Ability("Take protection from kicks away", OWNER, ("whitelist.burn_whitelistentry",)),
    Ability(
        "Sign Telegram accounts in and out",
        OWNER,
        ("telegram_ops.sign_in_telegram", "telegram_ops.*_telegramaccount"),
    ),
    Ability("Connect further Slack workspaces", OWNER, ("members.*_slackworkspace",)),
    Ability("Say how long messages are kept", OWNER, ("history.*_retentionperiod",)),
    Ability("Purge old records before the schedule does", OWNER, ("evidence.purge_records",)),
    Ability("Make and revoke tokens of the API", OWNER, ("groupadmin.*_apitoken",)),
    Ability(
        "Say who may sign in, in which role, and reset a second factor",
        OWNER,
        ("auth.add_user", "auth.change_user", "auth.*_group"),
    ),
)
APPS = {pattern.partition(".")[0] for ability in ABILITIES for pattern in ability.permissions}
"""The apps whose permissions mean something here."""
UNSEEN = (
    "members.view_workspacetoken",
    "telegram_ops.view_signedinsession",
    "telegram_ops.view_signin",
    "telegram_ops.view_peeraccess",
)
"""Secrets and machinery: no page shows them, and no role names them."""


def permissions_of(role: str, known: Iterable[str]) -> set[str]:
    """Those of the `known` permissions, "app.codename" each, that the role gives."""
    abilities = [ability for ability in ABILITIES if ability.belongs_to(role)]
    return {
        permission
        for permission in known
        if permission not in UNSEEN and any(ability.takes(permission) for ability in abilities)
    }


def give_roles() -> None:
    """Make the roles that are not there, and give each what the table says; takes nothing away."""
    rows = Permission.objects.values_list("content_type__app_label", "codename", "pk")
    known = {f"{app}.{codename}": pk for app, codename, pk in rows}
    for name in ROLES:
        role, _ = Group.objects.get_or_create(name=name)
        role.permissions.add(*(known[permission] for permission in permissions_of(name, known)))


def give_roles_after_migrating(*, apps: Any = global_apps, **_: Any) -> None:
    """Receives post_migrate: only then do the permissions of new models exist."""
    try:
        apps.get_model("auth", "Group")
    except LookupError:  # somebody has taken the tables of Django's own back
        return
    give_roles()
