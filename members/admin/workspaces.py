"""Further Slack workspaces: connected, checked and switched off by an owner; their tokens are never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from members.models import Group, SlackWorkspace
from members.platforms.types import Platform
from members.records import RecordAdmin
from members.ui import DASH, badge, time_tag
from members.workspaces import services
from members.workspaces.scopes import what_is_missing
from members.workspaces.services import WorkspaceRefused

_HIDDEN = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})


class TokenForm(forms.Form):
    token = forms.CharField(
        label="User token",
        max_length=500,
        widget=_HIDDEN,
        help_text="It begins with xoxp-. It is kept encrypted, and shown to nobody again.",
    )


class WorkspaceForm(forms.ModelForm):
    """What people call the workspace, and what opens it."""

    token = TokenForm.base_fields["token"]

    class Meta:
        model = SlackWorkspace
        fields = ("label",)


@admin.register(SlackWorkspace)
class SlackWorkspaceAdmin(RecordAdmin):
    change_form_template = "admin/members/slackworkspace/change_form.html"
    actions = None
    list_display = ("label", "state", "team_name", "account_name", "proven")
    fields = (
        "label",
        "state",
        "team_name",
        "team_id",
        "account_name",
        "account_id",
        "proven",
        "allowed",
        "missing",
    )
    empty_hint = "Audits look into the workspace of SLACK_USER_TOKEN. Connect others here."

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any) -> URLPattern:
            wrapped = self.admin_site.admin_view(view)
            return path(f"<int:pk>/{name}/", wrapped, name=f"members_slackworkspace_{name}")

        asked_first = require_http_methods(["GET", "POST"])
        return [
            page("check", require_POST(self.check_view)),
            page("token", asked_first(self.token_view)),
            page("use", asked_first(self.use_view)),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("members.add_slackworkspace"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what is switched off: so nobody deletes what work goes through."""
        return (obj is None or not obj.in_use) and bool(
            request.user.has_perm("members.delete_slackworkspace")
        )

    @method_decorator(sensitive_post_parameters("token"))
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Connect a workspace. The token is proven before anything is kept."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = WorkspaceForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                workspace = services.connect_workspace(
                    label=form.cleaned_data["label"],
                    token=form.cleaned_data["token"].strip(),
                    actor=request.user.get_username(),
                )
            except WorkspaceRefused as refusal:
                form.add_error("token", str(refusal))
            else:
                messages.success(request, f"{workspace} is connected. The next audit looks into it, too.")
                self._tell_missing(request, workspace)
                return self._to_page(workspace.pk)
        return self._form_page(request, form, "Connect a Slack workspace")

    def check_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask Slack who we are there."""
        workspace = self._for_owners(request, pk)
        problem = services.check_workspace(workspace=workspace, actor=request.user.get_username())
        if problem:
            messages.error(request, f"{problem}.")
        else:
            messages.success(
                request,
                f"Works: {workspace.account_name} in {workspace.team_name or workspace.team_id}.",
            )
            self._tell_missing(request, workspace)
        return self._to_page(pk)

    @method_decorator(sensitive_post_parameters("token"))
    def token_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Use another token for the same workspace."""
        workspace = self._for_owners(request, pk)
        form = TokenForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                token = form.cleaned_data["token"].strip()
                services.replace_token(workspace=workspace, token=token, actor=request.user.get_username())
            except WorkspaceRefused as refusal:
                form.add_error("token", str(refusal))
            else:
                messages.success(request, f"{workspace} is opened with the new token from now on.")
                self._tell_missing(request, workspace)
                return self._to_page(pk)
        return self._form_page(request, form, f"New token for {workspace}")

    def use_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first: what is switched off is audited no more."""
        workspace = self._for_owners(request, pk)
        if request.method == "POST":
            on = request.POST.get("use") == "on"
            services.set_in_use(workspace=workspace, in_use=on, actor=request.user.get_username())
            told = "is audited again" if on else "is left alone from now on"
            messages.success(request, f"{workspace} {told}.")
            return self._to_page(pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Switch off" if workspace.in_use else "Switch on",
            "opts": self.opts,
            "workspace": workspace,
            "groups": Group.objects.filter(
                platform=Platform.SLACK, connection=workspace.connection, in_scope=True
            ).count(),
        }
        return TemplateResponse(request, "admin/members/slackworkspace/use.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_change"] = request.user.has_perm("members.change_slackworkspace")
        context["may_delete"] = self.has_delete_permission(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    def _form_page(self, request: HttpRequest, form: forms.BaseForm, title: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "admin/members/slackworkspace/token.html", context)

    def _for_owners(self, request: HttpRequest, pk: int) -> SlackWorkspace:
        workspace = get_object_or_404(SlackWorkspace, pk=pk)
        if not request.user.has_perm("members.change_slackworkspace"):
            raise PermissionDenied
        return workspace

    def _tell_missing(self, request: HttpRequest, workspace: SlackWorkspace) -> None:
        for line in what_is_missing(workspace.scopes):
            messages.warning(request, line)

    def _to_page(self, pk: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:members_slackworkspace_change", args=[pk]))

    @admin.display(description="State")
    def state(self, workspace: SlackWorkspace) -> SafeString:
        if not workspace.in_use:
            return badge("Switched off", "muted")
        return badge("In trouble", "bad") if workspace.problem else badge("Works", "good")

    @admin.display(description="Last proven", ordering="proven_at")
    def proven(self, workspace: SlackWorkspace) -> SafeString:
        return time_tag(workspace.proven_at)

    @admin.display(description="The token may")
    def allowed(self, workspace: SlackWorkspace) -> str:
        return ", ".join(workspace.scopes) or DASH

    @admin.display(description="It lacks")
    def missing(self, workspace: SlackWorkspace) -> str:
        return " ".join(what_is_missing(workspace.scopes)) or "nothing that is used here"
