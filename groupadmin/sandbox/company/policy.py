"""The policy file of the invented company, as `loadpolicy` reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from groupadmin.sandbox.company.staff import ANCHOR, Staff

SCOPE_WORD = "bitsafe"
EXCLUDED_CHANNEL = "bitsafe-watercooler"
ARCHIVED_SUFFIX = " - archived"


def policy_file(staff: Iterable[Staff], exclusions: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The content of `policy.json`: `json.dumps` of it is a valid file."""
    return {
        "employees": [member.policy_row() for member in staff],
        "teams": [
            {"key": "core", "name": "Core team"},
            {"key": "slack-crew", "name": "Slack crew"},
            {"key": "bd", "name": "Business development"},
            {"key": "everyone", "name": "Everyone"},
        ],
        "categories": [
            _category("intro", "Intro", full_team=False, patterns=["intro"]),
            _category("marketing", "Marketing", full_team=False, patterns=["marketing", "co-branding"]),
            _category("internal", "Internal", full_team=False, patterns=["internal"]),
            _category("community", "Community", full_team=False, patterns=["community"]),
            _category("special", "Special", full_team=True, patterns=["treasury desk", "treasury-desk"]),
            _category("customer", "BD Customer", full_team=True, patterns=[], default=True),
        ],
        "rules": [
            {"platform": "slack", "team": "core", "level": "required"},
            {"platform": "slack", "team": "slack-crew", "level": "required"},
            {"platform": "telegram", "team": "core", "level": "required"},
            {"platform": "telegram", "team": "slack-crew", "level": "optional"},
            {"platform": "telegram", "category": "special", "team": "slack-crew", "level": "required"},
            {"platform": "telegram", "employee": "ada", "level": "optional"},  # the stronger team rule wins
        ],
        "scope": [
            {"platform": "slack", "kind": "include", "match": "contains", "pattern": SCOPE_WORD},
            {"platform": "slack", "kind": "exclude", "match": "exact", "pattern": EXCLUDED_CHANNEL},
            {"platform": "telegram", "kind": "shared_with", "employee": ANCHOR},
            {"platform": "telegram", "kind": "exclude", "match": "contains", "pattern": ARCHIVED_SUFFIX},
        ],
        "naming": [{"pattern": "iBTC", "replacement": "BitSafe (CBTC)"}],
        "exclusions": list(exclusions),
    }


def exclusion(
    platform: str,
    group: str,
    *,
    reason: str,
    employee: str | None = None,
    kind: str | None = None,
    expires: str | None = None,
) -> dict[str, Any]:
    return {
        "platform": platform,
        "group": group,
        "employee": employee,
        "kind": kind,
        "reason": reason,
        "expires": expires,
    }


def _category(
    key: str, name: str, *, full_team: bool, patterns: list[str], default: bool = False
) -> dict[str, Any]:
    return {"key": key, "name": name, "full_team": full_team, "default": default, "patterns": patterns}
