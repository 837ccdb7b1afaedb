"""The columns in which the policy travels as a table; rows are known by natural keys, never by our ids."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from import_export.fields import Field

from members import services
from members.customers.models import Customer
from members.models import (
    Category,
    Employee,
    Exclusion,
    Group,
    MembershipRule,
    NamingRule,
    ScopeLine,
    Team,
)
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind, Level, Match, ScopeKind
from members.tables import (
    Day,
    Key,
    Keys,
    Lines,
    Moment,
    TableResource,
    Text,
    WholeNumber,
    Word,
    YesNo,
    column,
    shown,
)


class TeamResource(TableResource):
    key = column("key")
    name = column("name")

    class Meta:
        model = Team
        fields = ("key", "name")
        import_id_fields = ("key",)


class EmployeeResource(TableResource):
    key = column("key")
    name = column("name")
    title = column("title")
    status = column("status", Word(EmployeeStatus))
    teams = column("teams", Keys(Team))
    email = column("email")
    slack_user_id = column("slack_user_id", Text(allow_blank=False))
    slack_username = column("slack_username")
    telegram_user_id = column("telegram_user_id", WholeNumber())
    telegram_username = column("telegram_username")

    class Meta:
        model = Employee
        fields = (
            "key",
            "name",
            "title",
            "status",
            "teams",
            "email",
            "slack_user_id",
            "slack_username",
            "telegram_user_id",
            "telegram_username",
        )
        import_id_fields = ("key",)


class CategoryResource(TableResource):
    key = column("key")
    name = column("name")
    position = column("position", WholeNumber())
    full_team = column("full_team", YesNo())
    default = column("default", YesNo())
    patterns = column("patterns", Lines())

    class Meta:
        model = Category
        fields = ("key", "name", "position", "full_team", "default", "patterns")
        import_id_fields = ("key",)


class CustomerResource(TableResource):
    crm_id = column("crm_id")
    name = column("name")
    aliases = column("aliases", Lines())
    crm_link = column("crm_url", name="crm_link")

    class Meta:
        model = Customer
        fields = ("crm_id", "name", "aliases", "crm_link")
        import_id_fields = ("crm_id",)


class PinnedCategory(Field):
    """The category where somebody pinned it, else empty: to import a key pins it, to import none lets go."""

    def get_value(self, instance: Group) -> Category | None:
        return instance.category if instance.category_pinned else None

    def save(self, instance: Group, row: Any, is_m2m: bool = False, **options: Any) -> None:
        category = self.clean(row, **options)
        if category is not None:
            instance.category = category
        instance.category_pinned = category is not None


class GroupResource(TableResource):
    """Groups come from audits; what people decide about them is the pinned category and the customer."""

    platform = column("platform", Word(Platform))
    external_id = column("external_id")
    pinned_category = PinnedCategory("category", "pinned_category", Key(Category))
    customer_crm_id = column("customer", Key(Customer, "crm_id"), name="customer_crm_id")
    name = shown("name")
    category = shown("category", Key(Category))
    customer = shown("customer__name", name="customer")
    kind = shown("kind")
    privacy = shown("privacy")
    history_visibility = shown("history_visibility")
    admin_status = shown("admin_status")
    may_rename = shown("may_rename", YesNo())
    may_invite = shown("may_invite", YesNo())
    may_remove = shown("may_remove", YesNo())
    total_members = shown("total_members", WholeNumber())
    archived = shown("archived", YesNo())
    shared_externally = shown("shared_externally", YesNo())
    in_scope = shown("in_scope", YesNo())
    visible = shown("visible", YesNo())
    first_seen_utc = shown("first_seen_at", Moment(), name="first_seen_utc")
    last_seen_utc = shown("last_seen_at", Moment(), name="last_seen_utc")

    class Meta:
        model = Group
        fields = (
            "platform",
            "external_id",
            "name",
            "pinned_category",
            "category",
            "customer_crm_id",
            "customer",
            "kind",
            "privacy",
            "history_visibility",
            "admin_status",
            "may_rename",
            "may_invite",
            "may_remove",
            "total_members",
            "archived",
            "shared_externally",
            "in_scope",
            "visible",
            "first_seen_utc",
            "last_seen_utc",
        )
        import_id_fields = ("platform", "external_id")

    def after_init_instance(self, instance: Group, new: bool, row: Any, **options: Any) -> None:
        if new:
            raise ValidationError(
                "No audit has seen such a group; only known groups can be pinned or given a customer."
            )

    def before_save_instance(self, instance: Group, row: Any, **options: Any) -> None:
        super().before_save_instance(instance, row, **options)
        services.remember_as_seen(Group.objects.filter(pk=instance.pk))

    def do_instance_save(self, instance: Group, is_create: bool) -> None:
        instance.save(update_fields=Group.DECIDED_BY_HAND)  # an audit may be writing the rest


class MembershipRuleResource(TableResource):
    platform = column("platform", Word(Platform))
    category = column("category", Key(Category))
    team = column("team", Key(Team))
    employee = column("employee", Key(Employee))
    level = column("level", Word(Level))

    class Meta:
        model = MembershipRule
        fields = ("platform", "category", "team", "employee", "level")
        import_id_fields = ("platform", "category", "team", "employee", "level")


class ScopeLineResource(TableResource):
    platform = column("platform", Word(Platform))
    kind = column("kind", Word(ScopeKind))
    match = column("match", Word(Match))
    pattern = column("pattern")
    employee = column("employee", Key(Employee))

    class Meta:
        model = ScopeLine
        fields = ("platform", "kind", "match", "pattern", "employee")
        import_id_fields = ("platform", "kind", "match", "pattern", "employee")


class NamingRuleResource(TableResource):
    pattern = column("pattern")
    replacement = column("replacement")

    class Meta:
        model = NamingRule
        fields = ("pattern", "replacement")
        import_id_fields = ("pattern",)


class ExclusionResource(TableResource):
    platform = column("platform", Word(Platform))
    group = column("group_external_id", name="group")
    employee = column("employee", Key(Employee))
    kind = column("kind", Word(FindingKind))
    reason = column("reason")
    expires = column("expires", Day())
    granted_by = shown("granted_by")
    granted_utc = shown("granted_at", Moment(), name="granted_utc")

    class Meta:
        model = Exclusion
        fields = (
            "platform",
            "group",
            "employee",
            "kind",
            "reason",
            "expires",
            "granted_by",
            "granted_utc",
        )
        import_id_fields = ("platform", "group", "employee", "kind")

    def before_save_instance(self, instance: Exclusion, row: Any, **options: Any) -> None:
        super().before_save_instance(instance, row, **options)
        if instance.pk is None and (user := options.get("user")) is not None:
            instance.granted_by = user.get_username()
