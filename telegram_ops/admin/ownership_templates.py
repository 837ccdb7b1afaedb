"""The texts that owners of groups read: edited here, with a look at a real message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from members.admin.base import HistoryAdmin
from members.ui import named_actions
from telegram_ops.ownership import as_template
from telegram_ops.ownership_letters import example_of
from telegram_ops.ownership_models import OwnershipTemplate
from telegram_ops.ownership_texts import RIGHTS, Template, problems_of

if TYPE_CHECKING:
    TemplateFormBase = forms.ModelForm[OwnershipTemplate]
else:
    TemplateFormBase = forms.ModelForm


class OwnershipTemplateForm(TemplateFormBase):
    rights = forms.MultipleChoiceField(
        choices=list(RIGHTS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=OwnershipTemplate._meta.get_field("rights").help_text,
    )

    class Meta:
        model = OwnershipTemplate
        fields = ("key", "name", "text", "sender", "rights")
        widgets = {"text": AdminTextareaWidget(attrs={"class": "vLargeTextField letter-text"})}  # noqa: RUF012 (Django's way)


@admin.register(OwnershipTemplate)
class OwnershipTemplateAdmin(HistoryAdmin):
    form = OwnershipTemplateForm
    list_display = ("name", "key", "sender")
    search_fields = ("name", "key", "text")
    fields = ("name", "key", "text", "sender", "rights")
    change_form_template = "admin/telegram_ops/ownershiptemplate/change_form.html"
    empty_hint = "Until there are some, our own words are used."

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key",) if obj is not None else ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.preview_view))
        return [path("preview/", view, name="telegram_ops_ownershiptemplate_preview"), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: OwnershipTemplate | None = kwargs.get("obj")
        context["example"] = example_of(as_template(row)) if row is not None else None
        return super().render_change_form(request, context, *args, **kwargs)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What is in the form, filled in; nothing is stored."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        typed = request.POST
        template = Template(
            "", "", typed.get("text", ""), typed.get("sender", ""), tuple(typed.getlist("rights"))
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Preview",
            "opts": self.opts,
            "example": example_of(template),
            "problems": problems_of(template.text),
        }
        return TemplateResponse(request, "admin/telegram_ops/ownershiptemplate/preview.html", context)
