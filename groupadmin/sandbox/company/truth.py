"""What a right audit of a company must say, read straight off the worlds and the policy file.

Written from the contract alone and independent of the product: the product's answers are
measured against it. Who is who is never guessed from handles here; the company says it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from groupadmin.sandbox.slack.world import SlackChannel, SlackWorld
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramWorld

GroupKey = tuple[str, str]
"""(platform, id); the id as text, as in every report."""
Verdict = Literal["complete", "incomplete", "exempt"]


@dataclass(frozen=True)
class Identities:
    """Employee key → the account that really is theirs; None where nobody could find one."""

    slack: Mapping[str, str | None]
    telegram: Mapping[str, int | None]
    slack_account: str
    """The user behind the product's Slack token."""
    telegram_account: int


@dataclass(frozen=True, slots=True)
class GroupTruth:
    """One group that an audit must list. The lists hold employee keys, `total_members` the real count."""

    platform: str
    id: str
    name: str
    category: str
    requires_full_team: bool
    privacy: str
    history: str
    admin_status: str
    total_members: int
    required_present: frozenset[str]
    required_missing: frozenset[str]
    optional_present: frozenset[str]
    optional_missing: frozenset[str]
    excluded: frozenset[str]
    unresolved: frozenset[str]
    flags: frozenset[str]
    departed_present: frozenset[str]

    @property
    def completeness(self) -> str:
        present = len(self.required_present)
        return f"{present}/{present + len(self.required_missing)}"

    @property
    def verdict(self) -> Verdict:
        if not self.requires_full_team:
            return "exempt"
        return "incomplete" if self.required_missing else "complete"

    def as_json(self) -> dict[str, Any]:
        """In the words of `audit --json`, lists sorted."""
        names = [name for name in self.__dataclass_fields__ if name != "departed_present"]
        values = {name: getattr(self, name) for name in names}
        values = {name: sorted(v) if isinstance(v, frozenset) else v for name, v in values.items()}
        return values | {"completeness": self.completeness, "verdict": self.verdict}


@dataclass(frozen=True)
class Truth:
    groups: Mapping[GroupKey, GroupTruth]
    unseeable: frozenset[GroupKey]
    """Groups in scope that the account cannot see: no audit may claim anything about them."""
    unresolved: frozenset[tuple[str, str]]
    """(platform, employee key) of everybody the policy counts on and no account can be found for."""

    @property
    def departed_present(self) -> frozenset[tuple[str, str, str]]:
        """(platform, group id, employee key) for every offboarded person who is still in a group."""
        return frozenset(
            (*key, person) for key, group in self.groups.items() for person in group.departed_present
        )

    @property
    def no_admin_right(self) -> frozenset[str]:
        """Ids of the Telegram groups in which the account is a plain member."""
        return frozenset(group.id for group in self.groups.values() if group.admin_status == "member")

    @property
    def missing(self) -> frozenset[tuple[str, str, str]]:
        """(platform, group id, employee key) of everybody required and absent, exempt groups left out."""
        return frozenset(
            (*key, person)
            for key, group in self.groups.items()
            if group.requires_full_team
            for person in group.required_missing
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "groups": [group.as_json() for group in self.groups.values()],
            "unseeable": sorted(self.unseeable),
            "unresolved": sorted(self.unresolved),
            "departed_present": sorted(self.departed_present),
            "no_admin_right": sorted(self.no_admin_right),
        }


def truth_of(
    slack: SlackWorld,
    telegram: TelegramWorld,
    policy: Mapping[str, Any],
    identities: Identities,
    *,
    today: date | None = None,
) -> Truth:
    """Read the truth off the worlds as they are now; `today` (UTC) decides which exclusions hold."""
    reader = _Reader(policy, identities, today or datetime.now(UTC).date())
    groups: dict[GroupKey, GroupTruth] = {}
    unseeable: set[GroupKey] = set()
    for channel in slack.channels.values():
        if channel.is_archived or not reader.in_scope("slack", channel.name, channel.members):
            continue
        if channel.is_private and identities.slack_account not in channel.members:
            unseeable.add(("slack", channel.id))
        else:
            groups["slack", channel.id] = reader.slack_group(channel)
    for chat in telegram.chats.values():
        if chat.kind == "broadcast" or chat.migrated_to is not None:
            continue
        if not reader.in_scope("telegram", chat.title, chat.members):
            continue
        if identities.telegram_account not in chat.members:
            unseeable.add(("telegram", str(chat.id)))
        else:
            groups["telegram", str(chat.id)] = reader.telegram_group(chat)
    unresolved = frozenset(
        (group.platform, person) for group in groups.values() for person in group.unresolved
    )
    return Truth(groups, frozenset(unseeable), unresolved)


class _Reader:
    def __init__(self, policy: Mapping[str, Any], identities: Identities, today: date) -> None:
        self.policy = policy
        self.identities = identities
        self.today = today

    def slack_group(self, channel: SlackChannel) -> GroupTruth:
        return self._group(
            "slack",
            channel.id,
            channel.name,
            channel.members,
            privacy="private" if channel.is_private else "public",
            history="n/a",
            admin_status="n/a",
            total_members=len(channel.members),
        )

    def telegram_group(self, chat: TelegramChat) -> GroupTruth:
        history = "hidden" if chat.hidden_prehistory else "visible"
        return self._group(
            "telegram",
            str(chat.id),
            chat.title,
            chat.members,
            privacy="public" if chat.usernames else "private",
            history=history if chat.kind == "supergroup" else "n/a",
            admin_status=self._admin_status(chat),
            total_members=len(chat.members),
        )

    def in_scope(self, platform: str, name: str, members: Container[str | int]) -> bool:
        included = excluded = False
        for line in self.policy["scope"]:
            if line["platform"] != platform:
                continue
            if line["kind"] == "shared_with":
                included |= self._account(platform, line["employee"]) in members
            elif line["kind"] == "include":
                included |= _name_matches(name, line)
            else:
                excluded |= _name_matches(name, line)
        return included and not excluded

    def _group(
        self, platform: str, group_id: str, name: str, members: Container[str | int], **facts: Any
    ) -> GroupTruth:
        category = self._category(name)
        lists: defaultdict[str, set[str]] = defaultdict(set)
        for employee in self.policy["employees"]:
            person = employee["key"]
            account = self._account(platform, person)
            present = account is not None and account in members
            if employee["status"] == "offboarded" and present:
                lists["departed_present"].add(person)
            level = self._level(employee, platform, category["key"])
            if level is None:
                continue
            if self._is_excluded(platform, group_id, person):
                lists["excluded"].add(person)
            elif account is None:
                lists["unresolved"].add(person)
            else:
                lists[f"{level}_{'present' if present else 'missing'}"].add(person)
        return GroupTruth(
            platform=platform,
            id=group_id,
            name=name,
            category=category["key"],
            requires_full_team=category["full_team"],
            flags=frozenset(self._flags(name, facts["privacy"], facts["history"])),
            **facts,
            required_present=frozenset(lists["required_present"]),
            required_missing=frozenset(lists["required_missing"]),
            optional_present=frozenset(lists["optional_present"]),
            optional_missing=frozenset(lists["optional_missing"]),
            excluded=frozenset(lists["excluded"]),
            unresolved=frozenset(lists["unresolved"]),
            departed_present=frozenset(lists["departed_present"]),
        )

    def _account(self, platform: str, person: str) -> str | int | None:
        return self.identities.slack[person] if platform == "slack" else self.identities.telegram[person]

    def _category(self, name: str) -> Mapping[str, Any]:
        for category in self.policy["categories"]:
            if any(pattern.lower() in name.lower() for pattern in category["patterns"]):
                return category
        return next(category for category in self.policy["categories"] if category["default"])

    def _level(self, employee: Mapping[str, Any], platform: str, category: str) -> str | None:
        if employee["status"] in ("under_review", "offboarded"):
            return None
        levels = {
            rule["level"]
            for rule in self.policy["rules"]
            if rule["platform"] == platform
            and rule.get("category") in (None, category)
            and (rule.get("team") in employee["teams"] or rule.get("employee") == employee["key"])
        }
        if "required" in levels and employee["status"] != "optional":
            return "required"
        return "optional" if levels else None

    def _is_excluded(self, platform: str, group_id: str, person: str) -> bool:
        return any(
            line["platform"] == platform
            and line["group"] == group_id
            and line["employee"] == person
            and line["kind"] is None
            and (line["expires"] is None or date.fromisoformat(line["expires"]) >= self.today)
            for line in self.policy["exclusions"]
        )

    def _flags(self, name: str, privacy: str, history: str) -> Iterator[str]:
        if privacy == "public":
            yield "public_channel"
        if any(rule["pattern"].lower() in name.lower() for rule in self.policy["naming"]):
            yield "deprecated_name"
        if history == "hidden":
            yield "hidden_history"

    def _admin_status(self, chat: TelegramChat) -> str:
        account = self.identities.telegram_account
        if chat.creator == account:
            return "owner"
        rights = chat.admins.get(account)
        if rights is None:
            return "member"
        return "admin_can_rename" if rights.change_info else "admin"


def _name_matches(name: str, line: Mapping[str, Any]) -> bool:
    name, pattern = name.lower(), line["pattern"].lower()
    match line.get("match", "contains"):
        case "exact":
            return name == pattern
        case "regex":
            return re.search(line["pattern"], name, re.IGNORECASE) is not None
        case _:
            return pattern in name
