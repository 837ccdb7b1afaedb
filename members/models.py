"""The people, the groups, and the policy that joins them: what staff edit by hand."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Coalesce, Lower
from simple_history.models import HistoricalRecords

from members.choices import choices as choices
from members.customers.models import Customer
from members.exclusions import ENDS_SOON as ENDS_SOON
from members.exclusions import Exclusion as Exclusion
from members.exclusions import ending_soon as ending_soon
from members.exclusions import holding as holding
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import (
    KEY_PATTERN,
    EmployeeStatus,
    Level,
    Match,
    ScopeKind,
    bare_username,
    regex_problem,
)
from members.workspaces.models import EmployeeAccount as EmployeeAccount
from members.workspaces.models import SlackWorkspace as SlackWorkspace
from members.workspaces.models import WorkspaceToken as WorkspaceToken

LONGEST_USERNAME = 100
"""In characters; the platforms' own limits are lower (Slack 80, Telegram 32)."""

valid_key = RegexValidator(rf"^(?:{KEY_PATTERN})\Z", "Use letters, digits and . _ + @ - only.")


class Team(models.Model):
    """A named set of employees; rules and bulk actions speak of teams."""

    key = models.CharField(
        max_length=50,
        unique=True,
        validators=[valid_key],
        help_text="Short. It cannot be changed later: policy files refer to it.",
    )
    name = models.CharField(max_length=100, help_text="What people call it.")
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Employee(models.Model):
    """A member of staff, with a Slack and a Telegram identity."""

    key = models.CharField(
        max_length=50,
        unique=True,
        validators=[valid_key],
        help_text="Short. It cannot be changed later: policy files and reports refer to it.",
    )
    name = models.CharField(max_length=200, help_text="As lists and reports show it.")
    title = models.CharField(
        max_length=200, blank=True, help_text="What they do here, like “Head of Growth”."
    )
    email = models.EmailField(blank=True, help_text="Finds the Slack account when the username does not.")
    status = models.CharField(
        max_length=20,
        choices=choices(EmployeeStatus),
        default=EmployeeStatus.ACTIVE,
        help_text="Active follows the rules; optional counts as optional at most; under review is shown "
        "and never counted; offboarded must be nowhere.",
    )
    teams = models.ManyToManyField(
        Team, related_name="employees", blank=True, help_text="What rules ask of a team, they ask of each."
    )
    slack_user_id = models.CharField(
        "Slack user id",
        max_length=32,
        unique=True,
        null=True,
        blank=True,
        help_text="Like U012AB3CD. Filled in by the audit.",
    )
    slack_username = models.CharField(
        "Slack username", max_length=LONGEST_USERNAME, blank=True, help_text="Without @."
    )
    telegram_user_id = models.BigIntegerField(
        "Telegram user id",
        unique=True,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Filled in by the audit.",
    )
    telegram_username = models.CharField(
        "Telegram username", max_length=LONGEST_USERNAME, blank=True, help_text="Without @."
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="employee",
        verbose_name="signs in as",
        help_text="Whose “My groups” shows this person. Empty: the user with the same e-mail address.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords(m2m_fields=[teams])

    class Meta:
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("find_person", "Can look for anybody on Slack and Telegram")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.slack_user_id = self.slack_user_id or None  # "" would break the unique rule
        self.slack_username = bare_username(self.slack_username)
        self.telegram_username = bare_username(self.telegram_username)


class EmployeeHandle(models.Model):
    """A username that an employee had on a platform, remembered after it changed."""

    employee = models.ForeignKey(Employee, on_delete=models.CASCADE, related_name="handles")
    platform = models.CharField(max_length=10, choices=choices(Platform))
    username = models.CharField(max_length=LONGEST_USERNAME)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-last_seen_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "employee", "platform", Lower("username"), name="handle_once_per_employee"
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.username} ({self.get_platform_display()})"


class Category(models.Model):
    """What a group is for, decided by ordered patterns; says whether the full team is required."""

    key = models.CharField(
        max_length=50,
        unique=True,
        validators=[valid_key],
        help_text="Short. It cannot be changed later: policy files and reports refer to it.",
    )
    name = models.CharField(max_length=100, help_text="As lists and reports show it.")
    position = models.PositiveIntegerField(default=0, help_text="Categories are tried in this order.")
    full_team = models.BooleanField(
        default=True, help_text="Off: nobody is reported missing from such groups."
    )
    default = models.BooleanField(default=False, help_text="Taken when no pattern of any category matches.")
    patterns = models.JSONField(
        default=list, blank=True, help_text="Parts of a group's name, one a line; case does not matter."
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["position", "name", "id"]
        verbose_name_plural = "categories"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["default"],
                condition=models.Q(default=True),
                name="one_default_category",
                violation_error_message="Another category is the default already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if not isinstance(self.patterns, list) or not all(
            isinstance(p, str) and p.strip() for p in self.patterns
        ):
            raise ValidationError({"patterns": "A list of non-empty texts."})


class Group(models.Model):
    """A Slack channel or a Telegram group, as last seen; keyed by platform and id, never by name."""

    platform = models.CharField(max_length=10, choices=choices(Platform))
    external_id = models.CharField("platform id", max_length=32)
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=12, choices=choices(GroupKind))
    category = models.ForeignKey(
        Category,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="groups",
        help_text="Audits set it by the name, unless it is pinned.",
    )
    category_pinned = models.BooleanField(
        default=False, help_text="Keep this category whatever the name says."
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="groups",
        help_text="Whom we talk to here. Empty: nobody has said so yet.",
    )
    privacy = models.CharField(max_length=8, choices=choices(Privacy))
    history_visibility = models.CharField(max_length=8, choices=choices(History), default=History.UNKNOWN)
    history_read_at = models.DateTimeField(null=True, blank=True)
    members_hidden = models.BooleanField(
        default=False, help_text="Telegram hides the member list from non-admins."
    )
    admin_status = models.CharField(max_length=20, choices=choices(AdminStatus), default=AdminStatus.UNKNOWN)
    joined = models.BooleanField(
        "our account is in it", default=True, help_text="A public Slack channel is seen from outside, too."
    )
    may_rename = models.BooleanField(
        default=True, help_text="Whether our account has the right to change the name."
    )
    may_invite = models.BooleanField(
        "may add people", default=True, help_text="Whether our account has the right to add people there."
    )
    may_remove = models.BooleanField(
        "may remove people",
        default=True,
        help_text="Whether our account has the right to take people out, or to ban them.",
    )
    total_members = models.PositiveIntegerField(null=True, blank=True)
    archived = models.BooleanField(default=False)
    shared_externally = models.BooleanField(default=False)
    in_scope = models.BooleanField(default=False)
    visible = models.BooleanField(default=True, help_text="Whether the last audit that looked could see it.")
    connection = models.CharField(
        max_length=30,
        blank=True,
        default="",
        db_default="",
        help_text="Through which further workspace or account it is reached; empty: the usual one.",
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    history = HistoricalRecords(
        excluded_fields=[
            "total_members",
            "last_seen_at",
            "history_read_at",
            "admin_status",
            "joined",
            "may_rename",
            "may_invite",
            "may_remove",
            "visible",
            "connection",
        ]
    )

    DECIDED_BY_HAND: ClassVar = ("category", "category_pinned", "customer")
    """What people say about a group; everything else is what audits saw."""

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["platform", "external_id"], name="group_once_per_platform"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["in_scope", "platform", "name"], name="group_scope_idx"),
        ]

    def __str__(self) -> str:
        return self.name


def _id_or_zero(foreign_key: str) -> Coalesce:
    """For a unique constraint, in which no NULL would equal another."""
    return Coalesce(foreign_key, 0, output_field=models.BigIntegerField())


class MembershipRule(models.Model):
    """On a platform (optionally only in a category) a team or an employee is required or optional."""

    platform = models.CharField(
        max_length=10, choices=choices(Platform), help_text="The same team may need a rule for each."
    )
    category = models.ForeignKey(
        Category,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="rules",
        help_text="Empty: every category.",
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="rules",
        help_text="Everybody who is in it, now and later.",
    )
    employee = models.ForeignKey(
        Employee,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="rules",
        help_text="One person, instead of a team.",
    )
    level = models.CharField(
        max_length=10,
        choices=choices(Level),
        default=Level.REQUIRED,
        help_text="Required: a group without them is incomplete. Optional: it is only noted.",
    )
    auto_add = models.BooleanField(
        "add by itself",
        default=False,
        help_text="On: whoever this rule requires is added unasked: to groups that an audit sees for the "
        "first time, and by the schedule “Add missing members”. Off: somebody confirms every addition.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["platform", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(team__isnull=True) ^ models.Q(employee__isnull=True),
                name="rule_team_or_employee",
                violation_error_message="Choose either a team or an employee.",
            ),
            models.UniqueConstraint(
                "platform",
                _id_or_zero("category"),
                _id_or_zero("team"),
                _id_or_zero("employee"),
                "level",
                name="rule_once",
                violation_error_message="This rule exists already.",
            ),
        ]

    def __str__(self) -> str:
        where = self.get_platform_display() + (f", {self.category}" if self.category_id else "")
        return f"{self.team or self.employee} {self.level} on {where}"


class ScopeLine(models.Model):
    """Which groups are audited: include and exclude patterns, or "shared with" an employee."""

    platform = models.CharField(
        max_length=10, choices=choices(Platform), help_text="A line speaks of one platform."
    )
    kind = models.CharField(
        max_length=12,
        choices=choices(ScopeKind),
        default=ScopeKind.INCLUDE,
        help_text="A group is audited where one line includes it, or it is shared with somebody, and none "
        "excludes it.",
    )
    match = models.CharField(
        max_length=10,
        choices=choices(Match),
        default=Match.CONTAINS,
        help_text="How the pattern is compared with the name; case does not matter.",
    )
    pattern = models.CharField(
        max_length=255, blank=True, help_text="For include and exclude. Spaces at its ends count."
    )
    employee = models.ForeignKey(
        Employee,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="scope_lines",
        help_text="For “shared with”: groups that this person is in.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["platform", "id"]

    def __str__(self) -> str:
        what = (
            f"shared with {self.employee}"
            if self.kind == ScopeKind.SHARED_WITH
            else f"{self.kind} “{self.pattern}”"
        )
        return f"{self.get_platform_display()}: {what}"

    def clean(self) -> None:
        if self.kind == ScopeKind.SHARED_WITH:
            if self.employee_id is None:
                raise ValidationError({"employee": "Say with whom the group must be shared."})
        elif not self.pattern.strip():
            raise ValidationError({"pattern": "Say which part of the name to look for."})
        if self.match == Match.REGEX and (problem := regex_problem(self.pattern)):
            raise ValidationError({"pattern": problem})


class NamingRule(models.Model):
    """A deprecated part of a group's name and what should stand there instead."""

    pattern = models.CharField(
        max_length=100, unique=True, help_text="The part of a name that is deprecated; case does not matter."
    )
    replacement = models.CharField(max_length=100, help_text="What stands there in the new name.")
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.replacement}"
