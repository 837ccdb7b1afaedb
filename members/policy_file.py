"""policy.json ↔ plain data. Pure: `members.policy_store` brings it into the database and back.

A section that is not in the file is None in `PolicyFile`: nothing was said about it. The older
file that knows only categories is read too, as `CategoryPatterns`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from members.json_reader import JsonSyntaxError, ObjectReader, load_json, shown
from members.platforms.types import Platform
from members.policy import (
    KEY_PATTERN,
    Category,
    EmployeeStatus,
    Exclusion,
    FindingKind,
    Level,
    Match,
    Naming,
    Rule,
    ScopeKind,
    ScopeLine,
    bare_username,
    regex_problem,
)

T = TypeVar("T")

MAX_KEY = 50
MAX_NAME = 200
MAX_SHORT_NAME = 100
MAX_USERNAME = 100
MAX_ID = 32
MAX_TELEGRAM_ID = 2**63 - 1
MAX_EMAIL = 254
MAX_PATTERN = 255
MAX_NAMING = 100

_PROBLEMS_SHOWN = 3

SECTIONS = ("employees", "teams", "categories", "rules", "scope", "naming", "exclusions")

OLD_CATEGORIES = {
    "marketing_groups": ("marketing", "Marketing"),
    "internal_groups": ("internal", "Internal"),
    "intro_groups": ("intro", "Intro"),
    "community_groups": ("community", "Community"),
    "special_groups": ("special", "Special"),
}
"""Key in the older file → key and name of the category."""


class PolicyFileError(ValueError):
    """The file cannot be used. `problems` holds one line each, with line or key path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - _PROBLEMS_SHOWN
        super().__init__(
            "; ".join(self.problems[:_PROBLEMS_SHOWN]) + (f" (and {more} more)" if more > 0 else "")
        )


@dataclass(frozen=True, slots=True)
class TeamEntry:
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class EmployeeEntry:
    key: str
    name: str
    title: str = ""
    teams: tuple[str, ...] = ()
    status: EmployeeStatus = EmployeeStatus.ACTIVE
    slack_user_id: str | None = None
    slack_username: str | None = None
    """None: the file says nothing, what an audit learnt stays. Empty: there is none."""
    telegram_user_id: int | None = None
    telegram_username: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What a policy file says; None for the sections that are not in it."""

    employees: tuple[EmployeeEntry, ...] | None = None
    teams: tuple[TeamEntry, ...] | None = None
    categories: tuple[Category, ...] | None = None
    rules: tuple[Rule, ...] | None = None
    scope: tuple[ScopeLine, ...] | None = None
    naming: tuple[Naming, ...] | None = None
    exclusions: tuple[Exclusion, ...] | None = None


@dataclass(frozen=True, slots=True)
class CategoryPatterns:
    """What the older file says: (key, name, patterns) of categories without the full team, in order."""

    categories: tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What a file may refer to without defining it: the keys in the database."""

    employees: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()


def parse(data: bytes, known: KnownKeys | None = None) -> PolicyFile | CategoryPatterns:
    """Read a policy file. Raises PolicyFileError, which names everything that is wrong."""
    try:
        value = load_json(data)
    except JsonSyntaxError as error:
        raise PolicyFileError([str(error)]) from error
    problems: list[str] = []
    top = ObjectReader(value, "", problems)
    is_new = any(key in top for key in SECTIONS)
    is_old = not is_new and any(key in top for key in OLD_CATEGORIES)
    top.expect(SECTIONS if is_new else (*SECTIONS, *OLD_CATEGORIES))
    result = _read_old(top) if is_old else _Parser(top, problems, known or KnownKeys()).read()
    top.finish()
    if problems:
        raise PolicyFileError(problems)
    return result


def dump(file: PolicyFile) -> str:
    """The text of a policy file, one entry a line. `parse` gives back an equal `PolicyFile`."""
    writers: dict[str, Callable[[Any], dict[str, Any]]] = {
        "employees": asdict,
        "teams": asdict,
        "categories": asdict,
        "rules": _rule_as_json,
        "scope": _scope_as_json,
        "naming": asdict,
        "exclusions": _exclusion_as_json,
    }
    sections = []
    for name in SECTIONS:
        entries = getattr(file, name)
        if entries is not None:
            lines = [json.dumps(writers[name](entry), ensure_ascii=False) for entry in entries]
            body = ",\n".join(f"    {line}" for line in lines)
            sections.append(f'  "{name}": [\n{body}\n  ]' if lines else f'  "{name}": []')
    return "{\n" + ",\n".join(sections) + "\n}\n" if sections else "{}\n"


@dataclass(slots=True)
class _Parser:
    """Reads the sections, then checks what refers to what."""

    top: ObjectReader
    problems: list[str]
    known: KnownKeys
    references: list[tuple[ObjectReader, str, str, str]] = field(default_factory=list)
    """(where, key, kind of thing, the key it refers to): checked when all keys are known."""
    seen: dict[tuple[object, ...], str] = field(default_factory=dict)
    """What may stand only once → the path where it stood first."""

    def read(self) -> PolicyFile:
        file = PolicyFile(
            employees=self._section("employees", self._employee),
            teams=self._section("teams", self._team),
            categories=self._section("categories", self._category),
            rules=_without_repeats(self._section("rules", self._rule)),
            scope=self._section("scope", self._scope_line),
            naming=self._section("naming", self._naming),
            exclusions=self._section("exclusions", self._exclusion),
        )
        self._check_references(file)
        return file

    def _section(self, name: str, read_entry: Callable[[ObjectReader], T]) -> tuple[T, ...] | None:
        if name not in self.top:
            return None
        return tuple(read_entry(entry) for entry in self.top.objects(name))

    def _employee(self, entry: ObjectReader) -> EmployeeEntry:
        employee = EmployeeEntry(
            key=self._key(entry, "employee"),
            name=entry.text("name", max_length=MAX_NAME),
            title=entry.optional_text("title", max_length=MAX_NAME) or "",
            teams=tuple(dict.fromkeys(entry.texts("teams"))),
            status=entry.choice("status", EmployeeStatus, default=EmployeeStatus.ACTIVE),
            slack_user_id=entry.optional_text("slack_user_id", max_length=MAX_ID) or None,
            slack_username=_username(entry, "slack_username"),
            telegram_user_id=entry.positive_integer("telegram_user_id", maximum=MAX_TELEGRAM_ID),
            telegram_username=_username(entry, "telegram_username"),
            email=_email(entry),
        )
        for index, team in enumerate(employee.teams):
            self.references.append((entry, f"teams[{index}]", "teams", team))
        self._once(entry, "slack_user_id", employee.slack_user_id)
        self._once(entry, "telegram_user_id", employee.telegram_user_id)
        return employee

    def _team(self, entry: ObjectReader) -> TeamEntry:
        return TeamEntry(self._key(entry, "team"), entry.text("name", max_length=MAX_SHORT_NAME))

    def _category(self, entry: ObjectReader) -> Category:
        category = Category(
            key=self._key(entry, "category"),
            name=entry.text("name", max_length=MAX_SHORT_NAME),
            full_team=entry.flag("full_team", default=True),
            default=entry.flag("default", default=False),
            patterns=entry.texts("patterns"),
        )
        self._once(entry, "default", category.default or None)
        return category

    def _rule(self, entry: ObjectReader) -> Rule:
        rule = Rule(
            platform=entry.choice("platform", Platform),
            level=entry.choice("level", Level),
            category=self._reference(entry, "category", "categories"),
            team=self._reference(entry, "team", "teams"),
            employee=self._reference(entry, "employee", "employees"),
        )
        if (rule.team is None) == (rule.employee is None):
            entry.note("", "must name either a team or an employee")
        return rule

    def _scope_line(self, entry: ObjectReader) -> ScopeLine:
        line = ScopeLine(
            platform=entry.choice("platform", Platform),
            kind=entry.choice("kind", ScopeKind),
            match=entry.choice("match", Match, default=Match.CONTAINS),
            pattern=entry.optional_text("pattern", max_length=MAX_PATTERN) or "",
            employee=self._reference(entry, "employee", "employees"),
        )
        if line.kind is ScopeKind.SHARED_WITH:
            if line.employee is None:
                entry.note("employee", "is missing: with whom must the group be shared?")
            if line.pattern:
                entry.note("pattern", "does not go with shared_with")
        else:
            if not line.pattern.strip():
                entry.note("pattern", "is missing")
            if line.employee is not None:
                entry.note("employee", "goes with shared_with only")
        if line.match is Match.REGEX and (problem := regex_problem(line.pattern)):
            entry.note("pattern", f"{shown(line.pattern)} cannot be used: {problem}")
        return line

    def _naming(self, entry: ObjectReader) -> Naming:
        naming = Naming(
            entry.text("pattern", max_length=MAX_NAMING), entry.text("replacement", max_length=MAX_NAMING)
        )
        self._once(entry, "pattern", naming.pattern)
        return naming

    def _exclusion(self, entry: ObjectReader) -> Exclusion:
        exclusion = Exclusion(
            platform=entry.choice("platform", Platform),
            group_id=entry.text("group", max_length=MAX_ID),
            employee=self._reference(entry, "employee", "employees"),
            kind=entry.optional_choice("kind", FindingKind),
            reason=entry.text("reason"),
            expires=entry.date("expires"),
        )
        if exclusion.employee is None and exclusion.kind is None:
            entry.note("", "must name an employee, a kind, or both")
        self._once(entry, "group", exclusion.place)
        return exclusion

    def _key(self, entry: ObjectReader, kind: str) -> str:
        key = entry.text("key", max_length=MAX_KEY)
        if key.strip() and not re.fullmatch(KEY_PATTERN, key):
            entry.note("key", f"{shown(key)} may hold letters, digits and . _ + @ - only")
        self._once(entry, "key", key)
        return key

    def _reference(self, entry: ObjectReader, key: str, kind: str) -> str | None:
        value = entry.optional_text(key) or None
        if value is not None:
            self.references.append((entry, key, kind, value))
        return value

    def _once(self, entry: ObjectReader, key: str, value: object) -> None:
        """Note it when another entry of the section has the same value there; None and "" do not count."""
        if value is None or value == "":
            return
        section = entry.path.partition("[")[0]
        first = self.seen.setdefault((section, key, value), entry.path)
        if first != entry.path:
            entry.note(key, f"is the same as in {first}")

    def _check_references(self, file: PolicyFile) -> None:
        for entry, key, kind, value in self.references:
            section = getattr(file, kind)
            keys = getattr(self.known, kind) if section is None else {item.key for item in section}
            if value not in keys:
                where = "the database" if section is None else kind
                entry.note(key, f"there is no {shown(value)} in {where}")


def _without_repeats(rules: tuple[Rule, ...] | None) -> tuple[Rule, ...] | None:
    """A rule that is written twice says no more than once."""
    return None if rules is None else tuple(dict.fromkeys(rules))


def _username(entry: ObjectReader, key: str) -> str | None:
    value = entry.optional_text(key, max_length=MAX_USERNAME)
    return None if value is None else bare_username(value)


def _email(entry: ObjectReader) -> str | None:
    value = entry.optional_text("email", max_length=MAX_EMAIL) or None
    if value is not None:
        try:
            validate_email(value)
        except ValidationError:
            entry.note("email", f"{shown(value)} is not an e-mail address")
    return value


def _read_old(top: ObjectReader) -> CategoryPatterns:
    top.ignore(_is_comment)
    categories = []
    for old_key in top:
        if old_key in OLD_CATEGORIES:
            read = top.names if old_key == "special_groups" else top.texts
            patterns = tuple(dict.fromkeys(name for name in read(old_key) if not _is_comment(name)))
            categories.append((*OLD_CATEGORIES[old_key], patterns))
    return CategoryPatterns(tuple(categories))


def _is_comment(key: str) -> bool:
    return key.startswith("_") or key.startswith("description")


def _rule_as_json(rule: Rule) -> dict[str, Any]:
    names = ("platform", "category", "team", "employee", "level")
    return {name: value for name in names if (value := getattr(rule, name)) is not None}


def _scope_as_json(line: ScopeLine) -> dict[str, Any]:
    start = {"platform": line.platform, "kind": line.kind}
    if line.kind is ScopeKind.SHARED_WITH:
        return {**start, "employee": line.employee}
    return {**start, "match": line.match, "pattern": line.pattern}


def _exclusion_as_json(exclusion: Exclusion) -> dict[str, Any]:
    return {
        "platform": exclusion.platform,
        "group": exclusion.group_id,
        "employee": exclusion.employee,
        "kind": exclusion.kind,
        "reason": exclusion.reason,
        "expires": exclusion.expires.isoformat() if exclusion.expires else None,
    }
