"""Groups and the categories they fall into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, Field, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from members import services
from members.admin.base import PolicyAdmin
from members.admin.customers import CustomerFilter, SetCustomerAction, customer_of
from members.models import Category, Group
from members.operations.connections import name_of
from members.platforms.types import AdminStatus, History, Platform, Privacy
from members.resources import CategoryResource, GroupResource
from members.ui import DASH, badge, time_tag


class PatternsField(forms.CharField):
    """A list of texts, edited as one a line; spaces at the ends mean something."""

    widget = forms.Textarea(attrs={"rows": 8})

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, required=False, **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class CategoryForm(forms.ModelForm):
    patterns = PatternsField(
        help_text="Parts of a group's name, one a line; case does not matter. "
        "The first category with a pattern in the name takes the group."
    )


@admin.register(Category)
class CategoryAdmin(PolicyAdmin):
    resource_classes = (CategoryResource,)
    fixed_fields = ("key",)
    form = CategoryForm
    list_display = ("name", "position", "full_team", "default", "pattern_list", "groups_in_it")
    list_editable = ("position",)
    list_filter = ("full_team",)
    search_fields = ("name", "key", "patterns")
    fields = ("name", "key", "position", "full_team", "default", "patterns")
    empty_hint = "Without categories every group counts as one that needs the full team."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return super().get_queryset(request).annotate(group_count=Count("groups"))

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **options: Any) -> Any:
        """In the list the position stands below a heading that only eyes connect with it."""
        form_field = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name == "position":
            form_field.widget.attrs["aria-label"] = "Position"
        return form_field

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once: what one deletion means has to be read first."""
        return {
            name: action for name, action in super().get_actions(request).items() if name != "delete_selected"
        }

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        category = self.get_object(request, unquote(object_id))
        consequences = [] if category is None else _consequences(category)
        return super().delete_view(
            request, object_id, {"consequences": consequences, **(extra_context or {})}
        )

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        services.unpin_categories(groups=obj.groups.all())
        super().delete_model(request, obj)

    @admin.display(description="Patterns")
    def pattern_list(self, category: Category) -> str:
        return ", ".join(category.patterns) or DASH

    @admin.display(description="Groups", ordering="group_count")
    def groups_in_it(self, category: Any) -> int:
        return category.group_count


def _consequences(category: Category) -> list[str]:
    """What deleting a category means, beside the rows that go with it."""
    groups = category.groups.aggregate(all=Count("pk"), pinned=Count("pk", filter=Q(category_pinned=True)))
    found = []
    if category.default:
        found.append(
            "It is the default. Without one, groups whose names match no category count as uncategorised, "
            "and the full team is required in them."
        )
    if groups["all"]:
        found.append(f"Groups in it: {groups['all']:,}. The next audit sorts them again by their names.")
    if groups["pinned"]:
        found.append(f"Groups pinned to it by hand: {groups['pinned']:,}. Their pins are lost.")
    return found


_RIGHTS = (("may_rename", "rename"), ("may_invite", "add people"), ("may_remove", "remove people"))


def our_standing(group: Group) -> SafeString:
    """What our account is in the group, as a badge; what it may and may not do there, on hover."""
    may = ", ".join(words for field, words in _RIGHTS if getattr(group, field))
    may_not = ", ".join(words for field, words in _RIGHTS if not getattr(group, field))
    hint = ". ".join(text for text in (may and f"May {may}", may_not and f"May not {may_not}") if text)
    if group.platform == Platform.SLACK:
        return badge("In it" if group.joined else "Not in it", "good" if group.joined else "warn", hint=hint)
    powerful = group.admin_status in (AdminStatus.OWNER, AdminStatus.ADMIN_CAN_RENAME)
    return badge(group.get_admin_status_display(), "good" if powerful else "muted", hint=hint)


def _further_connections() -> dict[tuple[str, str], str]:
    """What people call those through which a group is reached, beside the usual ones."""
    used = Group.objects.exclude(connection="").order_by().values_list("platform", "connection").distinct()
    return {(platform, key): name_of(Platform(platform), key) for platform, key in used}


@admin.register(Group)
class GroupAdmin(SetCustomerAction, PolicyAdmin):
    """What audits saw of a group can only be read; people decide about its category and whose it is."""

    resource_classes = (GroupResource,)
    list_display = (
        "name",
        "platform",
        "category_and_pin",
        "customer_link",
        "privacy_badge",
        "history_badge",
        "admin_badge",
        "members",
    )
    list_filter = (
        "platform",
        "in_scope",
        "category",
        "category_pinned",
        CustomerFilter,
        "privacy",
        "history_visibility",
        "admin_status",
        "may_rename",
        "may_invite",
        "may_remove",
        "joined",
        "archived",
        "visible",
        "first_seen_at",
    )
    list_select_related = ("category", "customer")

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Through which connection it is reached, where there are several."""
        names = _further_connections()

        @admin.display(description="Reached through", ordering="connection")
        def reached_through(group: Group) -> str:
            return names.get((group.platform, group.connection), DASH)

        columns = super().get_list_display(request)
        return [*columns, reached_through] if names else columns

    search_fields = ("name", "external_id")
    search_help_text = "Name or platform id"
    autocomplete_fields = ("category", "customer")
    actions: Sequence[str] = ("pin_category", "unpin_category", "set_customer")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "platform",
                    "kind",
                    "external_id",
                    "category",
                    "category_pinned",
                    "customer",
                ),
                "description": "Audits remember every group, so none can be deleted. To keep one out of "
                "them, add a scope line that excludes its name.",
            },
        ),
        (
            "As last seen",
            {
                "fields": (
                    "privacy",
                    "shared_externally",
                    "archived",
                    "total_members",
                    "members_hidden",
                    "history_visibility",
                    "history_read",
                    "in_scope",
                    "visible",
                    "first_seen",
                    "last_seen",
                )
            },
        ),
        (
            "What our account may do there",
            {
                "fields": ("joined", "admin_status", "may_rename", "may_invite", "may_remove"),
                "description": "As the latest audit was told. On Slack there are no admins of a channel: "
                "whoever is in it may do what the workspace lets them.",
            },
        ),
    )
    editable = Group.DECIDED_BY_HAND
    empty_hint = "Groups appear here after the first audit."

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = [name for _, options in self.fieldsets for name in options["fields"]]
        return [name for name in shown if name not in self.editable]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: Group, form: forms.ModelForm, change: bool) -> None:
        """A category chosen by hand is meant to stay."""
        chosen = "category" in form.changed_data and "category_pinned" not in form.changed_data
        if chosen and obj.category is not None and not obj.category_pinned:
            obj.category_pinned = True
            messages.info(request, "The category is pinned. Untick the pin to let the name decide again.")
        services.remember_as_seen(Group.objects.filter(pk=obj.pk))
        obj.save(update_fields=Group.DECIDED_BY_HAND)  # an audit may be writing the rest

    @admin.display(description="Category", ordering="category__position")
    def category_and_pin(self, group: Group) -> str | SafeString:
        if group.category is None:
            return DASH
        if group.category_pinned:
            return format_html("{} {}", group.category, badge("pinned", "info", hint="Chosen by hand"))
        return str(group.category)

    @admin.display(description="Customer", ordering="customer__name")
    def customer_link(self, group: Group) -> SafeString | str:
        return customer_of(group)

    @admin.display(description="Privacy", ordering="privacy")
    def privacy_badge(self, group: Group) -> SafeString:
        return badge(group.get_privacy_display(), "bad" if group.privacy == Privacy.PUBLIC else "muted")

    @admin.display(description="History", ordering="history_visibility")
    def history_badge(self, group: Group) -> SafeString | str:
        if group.history_visibility == History.NOT_APPLICABLE:
            return DASH
        hidden = group.history_visibility == History.HIDDEN
        return badge(group.get_history_visibility_display(), "warn" if hidden else "muted")

    @admin.display(description="Members", ordering="total_members")
    def members(self, group: Group) -> int | str:
        return DASH if group.total_members is None else group.total_members

    @admin.display(description="Our account", ordering="admin_status")
    def admin_badge(self, group: Group) -> SafeString:
        return our_standing(group)

    @admin.display(description="History read")
    def history_read(self, group: Group) -> SafeString:
        return time_tag(group.history_read_at)

    @admin.display(description="First seen")
    def first_seen(self, group: Group) -> SafeString:
        return time_tag(group.first_seen_at)

    @admin.display(description="Last seen")
    def last_seen(self, group: Group) -> SafeString:
        return time_tag(group.last_seen_at)

    @admin.action(description="Pin the present category", permissions=["change"])
    def pin_category(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        count = services.pin_categories(groups=queryset)
        messages.success(request, f"Categories pinned: {count:,}.")

    @admin.action(description="Let the name decide the category", permissions=["change"])
    def unpin_category(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        count = services.unpin_categories(groups=queryset)
        messages.success(request, f"Categories unpinned: {count:,}. The next audit goes by the names.")
