"""People who sign in, and their roles: in plain words, and every change on record."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from django_otp.plugins.otp_static.models import StaticDevice

from groupadmin import second_factor
from groupadmin.access import note
from groupadmin.api.models import ApiToken
from groupadmin.models import AuthenticatorApp
from groupadmin.roles import ABILITIES, APPS, ROLES
from members.odd_addresses import OddAddresses
from members.ui import DASH, badge, named_actions, time_tag

admin.site.unregister(StaticDevice)  # recovery codes are nobody's to read
admin.site.unregister(User)
admin.site.unregister(Group)

_NOTED = {
    "is_active": ("may sign in", "may not sign in any more"),
    "is_staff": ("may open the pages", "may not open the pages any more"),
    "is_superuser": ("may do everything", "may not do everything any more"),
}
"""Fields that let somebody in, and how the record says that they were set or taken away."""


class RoleField(ModelMultipleChoiceField):
    """Roles to tick, each with what it is for."""

    def label_from_instance(self, obj: Any) -> str:
        purpose = ROLES.get(obj.name, "")
        return f"{obj.name}: {purpose[0].lower()}{purpose[1:]}" if purpose else str(obj.name)


@admin.display(description="What each role may do")
def what_roles_may_do(self: Any, obj: Any = None) -> SafeString:
    """The whole table, in words."""
    rows = [(ability.words, [ability.belongs_to(role) for role in ROLES]) for ability in ABILITIES]
    return render_to_string("admin/auth/roles.html", {"roles": ROLES, "rows": rows})


_USER_HELP = {
    "first_name": "As others call them.",
    "last_name": "As others call them.",
    "email": "Tells which employee they are: “My groups” shows theirs.",
}


@admin.register(User)
class UserAdmin(OddAddresses, DjangoUserAdmin):
    empty_hint = "Add whoever shall sign in, and give them a role."
    list_display = ("username", "full_name", "roles", "may_sign_in", "factor", "last_seen")
    list_filter = ("groups", "is_active", "is_superuser")
    list_per_page = 50
    empty_value_display = DASH
    readonly_fields = ("last_seen", "joined", "factor", "what_roles_may_do")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "groups", "factor", "what_roles_may_do")}),
        ("Dates", {"fields": ("last_seen", "joined")}),
    )
    beyond_roles = ("Beyond roles", {"fields": ("is_staff", "is_superuser", "user_permissions")})
    """What only somebody who may do everything can give."""
    change_form_template = "admin/auth/user/change_form.html"
    what_roles_may_do = what_roles_may_do

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        has_app = Exists(AuthenticatorApp.objects.filter(user=OuterRef("pk")))
        return super().get_queryset(request).prefetch_related("groups").annotate(has_app=has_app)

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: what they did stays on record. Who leaves may not sign in any more."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may do everything is changed by their like alone: a new password is a way to become them."""
        above = obj is not None and obj.is_superuser and not _may_do_everything(request)
        return not above and super().has_change_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        if not self.has_change_permission(request, obj):  # who only reads would be shown the password's hash
            return ((None, {"fields": ("username",)}), *fieldsets[1:])
        return (*fieldsets, self.beyond_roles) if _may_do_everything(request) else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """One's own role is for somebody else to change."""
        mine = obj is not None and obj.pk == request.user.pk and not _may_do_everything(request)
        own = ("is_active", "groups") if mine else ()
        return (*super().get_readonly_fields(request, obj), *own)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "groups":
            options |= {
                "form_class": RoleField,
                "widget": CheckboxSelectMultiple,
                "help_text": "The table below says what each may do.",
            }
            return db_field.formfield(**options, queryset=Group.objects.order_by("name"))
        return super().formfield_for_manytomany(db_field, request, **options, queryset=_permissions())

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "is_active":
            options |= {
                "label": "May sign in",
                "help_text": "Take the tick away instead of deleting somebody.",
            }
        if db_field.name in _USER_HELP:
            options["help_text"] = _USER_HELP[db_field.name]
        if db_field.name == "groups":  # no button beside it: a role is not made in passing
            return self.formfield_for_manytomany(db_field, request, **options)
        return super().formfield_for_dbfield(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True  # there is nothing else to sign in to
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = {role.name for role in form.instance.groups.all()}
        rights = set(form.instance.user_permissions.all()) if change else set()
        super().save_related(request, form, formsets, change)
        user: User = User.objects.get(pk=form.instance.pk)
        after = {role.name for role in user.groups.all()}
        said = [_NOTED[field][not getattr(user, field)] for field in _NOTED if field in form.changed_data]
        said += [f"is {role} now" for role in sorted(after - before)]
        said += [f"is not {role} any more" for role in sorted(before - after)]
        if change and rights != set(user.user_permissions.all()):
            said.append("has other permissions of their own")
        if change and "username" in form.changed_data:  # the record names who acted by it
            said.append(f"was called {form.initial['username']}")
        if change and "email" in form.changed_data:  # it says which employee they are
            said.append("has another e-mail address")
        actor: Any = request.user
        if not change:
            note(actor, "user.added", user, "; ".join(said))
        elif said:
            note(actor, "user.changed", user, "; ".join(said))
        if "is_active" in form.changed_data and not user.is_active:
            _tell_of_tokens(request, user)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response: HttpResponse = super().user_change_password(request, id, form_url)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            actor: Any = request.user
            note(actor, "user.password_set", User.objects.get(pk=id))
        return response

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.reset_view))
        page = path("<int:pk>/second-factor/", view, name="auth_user_reset_second_factor")
        return [page, *super().get_urls()]

    def reset_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first: whoever knows the password then sets up the next one."""
        user = get_object_or_404(User, pk=pk)
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        if request.method == "POST":
            actor: Any = request.user
            if second_factor.reset(user=user, actor=actor):
                messages.success(request, f"{user} sets up another second factor at the next sign-in.")
            else:
                messages.info(request, f"{user} has set up none.")
            return HttpResponseRedirect(reverse("admin:auth_user_change", args=[pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": "Reset the second factor",
            "opts": self.opts,
            "original": user,
        }
        return TemplateResponse(request, "admin/auth/user/reset_second_factor.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        user = kwargs.get("obj")
        context["may_reset"] = bool(
            user is not None and user.has_app and self.has_change_permission(request, user)
        )
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    @admin.display(description="Name", ordering="first_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or DASH

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        names = sorted(role.name for role in user.groups.all())
        return "Everything" if user.is_superuser else ", ".join(names) or DASH

    @admin.display(description="May sign in", ordering="is_active")
    def may_sign_in(self, user: User) -> SafeString:
        return badge("Yes", "good") if user.is_active and user.is_staff else badge("No", "muted")

    @admin.display(description="Second factor")
    def factor(self, user: Any) -> SafeString:
        return badge("Set up", "good") if user.has_app else badge("Not yet", "muted")

    @admin.display(description="Last sign-in", ordering="last_login")
    def last_seen(self, user: User) -> SafeString:
        return time_tag(user.last_login)

    @admin.display(description="Account made")
    def joined(self, user: User) -> SafeString:
        return time_tag(user.date_joined)


@admin.register(Group)
class RoleAdmin(OddAddresses, DjangoGroupAdmin):
    empty_hint = "“manage.py migrate” brings the three roles back; or add one of your own."
    list_display = ("name", "purpose", "people")
    fields = ("name", "what_roles_may_do", "permissions")
    readonly_fields = ("what_roles_may_do",)
    change_form_template = "admin/auth/user/change_form.html"
    what_roles_may_do = what_roles_may_do

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "name":
            options["help_text"] = "What stands beside people's names."
        return super().formfield_for_dbfield(db_field, request, **options)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(people_count=Count("user"))

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **options: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, **options, queryset=_permissions())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The three that come with the product keep their names: they would be made anew otherwise."""
        kept = ("name",) if obj is not None and obj.name in ROLES else ()
        return (*super().get_readonly_fields(request, obj), *kept)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        built_in = obj is not None and obj.name in ROLES
        return not built_in and super().has_delete_permission(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = set(form.instance.permissions.values_list("name", flat=True))
        super().save_related(request, form, formsets, change)
        after = set(form.instance.permissions.values_list("name", flat=True))
        said = [f"given: {', '.join(sorted(after - before))}"] if after - before else []
        said += [f"taken: {', '.join(sorted(before - after))}"] if before - after else []
        actor: Any = request.user
        if said or not change:
            note(actor, "role.changed" if change else "role.added", form.instance.name, "; ".join(said))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        actor: Any = request.user
        note(actor, "role.deleted", obj.name)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        for role in queryset:
            self.delete_model(request, role)

    @admin.display(description="What for")
    def purpose(self, role: Group) -> str:
        return ROLES.get(role.name, DASH)

    @admin.display(description="People", ordering="people_count")
    def people(self, role: Any) -> int:
        return role.people_count


def _permissions() -> QuerySet[Permission]:
    """Those that mean something here: Django and the packages bring others along."""
    return Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")


def _tell_of_tokens(request: HttpRequest, user: User) -> None:
    """A token outlives whoever made it, and they may have kept it."""
    left = ApiToken.objects.filter(
        made_by=user.get_username(), revoked_at=None, expires_at__gt=timezone.now()
    )
    if names := ", ".join(left.values_list("name", flat=True)):
        messages.warning(
            request, f"{user} made API tokens that still open it: {names}. Revoke what they may have kept."
        )


def _may_do_everything(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
