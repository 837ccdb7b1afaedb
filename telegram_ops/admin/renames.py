"""Renaming many groups: from a list, or from a page of its own, to a plan."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from members.form_fields import CategoryField, PlatformsField
from members.models import NamingRule
from members.operations.admin.planning import may_plan, show_plan
from members.patterns import PatternTrouble
from telegram_ops.new_names import LONGEST_PATTERN, by_regex, by_text
from telegram_ops.rename_plans import GroupKey
from telegram_ops.rename_selections import MappingTrouble, RenameSelection, Way, read_mapping
from telegram_ops.renames import plan_renames

Mixin: Any = object
"""Stands for the page that the classes below are mixed into."""

LARGEST_MAPPING = 1_000_000
"""Bytes of an uploaded mapping."""

_NOTHING = "No group's name would change."
_WAYS = (
    (str(Way.RULES), "What the naming rules say"),
    (str(Way.TEXT), "Replace a text"),
    (str(Way.REGEX), "Replace a regular expression"),
    (str(Way.MAPPING), "A file with a new name for each group"),
)


class NamesForm(forms.Form):
    """Where the new names come from."""

    way = forms.ChoiceField(
        label="New names",
        choices=_WAYS,
        initial=Way.RULES,
        widget=forms.RadioSelect,
        help_text="The rules are those under Policy › Naming rules.",
    )
    pattern = forms.CharField(
        label="Replace",
        required=False,
        strip=False,
        max_length=LONGEST_PATTERN,
        widget=AdminTextInputWidget,
        help_text="The text or the regular expression; case does not matter.",
    )
    replacement = forms.CharField(
        label="With",
        required=False,
        strip=False,
        max_length=LONGEST_PATTERN,
        widget=AdminTextInputWidget,
        help_text=r"Empty takes it away. Of a regular expression \1 and \g<name> stand for its groups.",
    )
    mapping = forms.FileField(
        label="File",
        required=False,
        help_text="JSON: {“title or id”: “new name”, …}. “telegram:ID” and “slack:ID” mean an id alone.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        rules = "; ".join(map(str, NamingRule.objects.all()))
        self.fields["way"].help_text = f"The rules: {rules}" if rules else "There are no naming rules yet."

    def clean(self) -> dict[str, Any]:
        """What one way needs is asked for by that way alone."""
        cleaned: dict[str, Any] = super().clean() or {}
        try:
            match cleaned.get("way"):
                case Way.TEXT:
                    by_text(cleaned.get("pattern", ""), cleaned.get("replacement", ""))
                case Way.REGEX:
                    by_regex(cleaned.get("pattern", ""), cleaned.get("replacement", ""))
                case Way.MAPPING:
                    cleaned["read"] = _read(cleaned.get("mapping"))
        except PatternTrouble as trouble:
            self.add_error("pattern", str(trouble))
        except MappingTrouble as trouble:
            self.add_error("mapping", str(trouble))
        return cleaned

    def selection(self, groups: tuple[GroupKey, ...]) -> RenameSelection:
        """What the form asks for, in these groups."""
        way = Way(self.cleaned_data["way"])
        by_pattern = way in (Way.TEXT, Way.REGEX)
        return RenameSelection(
            way=way,
            pattern=self.cleaned_data["pattern"] if by_pattern else "",
            replacement=self.cleaned_data["replacement"] if by_pattern else "",
            mapping=self.cleaned_data.get("read", {}),
            groups=groups,
        )


class NamesAndPlacesForm(NamesForm):
    """The same, and in which groups: for the page that nothing was selected for."""

    platforms = PlatformsField()
    category = CategoryField()

    def selection(self, groups: tuple[GroupKey, ...] = ()) -> RenameSelection:
        names = super().selection(groups)
        return RenameSelection(
            way=names.way,
            pattern=names.pattern,
            replacement=names.replacement,
            mapping=names.mapping,
            platforms=self.cleaned_data["platforms"],
            category=self.cleaned_data["category"],
        )


class RenameAction(Mixin):
    """Mixed into a list's page: plans new names for the groups of the selected rows."""

    rename_template = "telegram_ops/rename.html"

    def groups_to_rename(self, queryset: QuerySet[Any]) -> tuple[GroupKey, ...]:
        """The groups that the selected rows mean."""
        raise NotImplementedError

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return may_plan(request)

    @admin.action(description="Rename…", permissions=["plan"])
    def rename(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """An action's own page: where the new names come from, and then the plan."""
        groups = self.groups_to_rename(queryset)
        if not groups:
            messages.warning(request, "Nothing of what was selected is about a group's name.")
            return None
        posted = "plan" in request.POST
        form = NamesForm(request.POST if posted else None, request.FILES if posted else None)
        return _planned(request, form, groups) or self._page(
            request,
            form,
            count=len(groups),
            action=request.POST["action"],
            across=request.POST.get("select_across", "0"),
            checkbox=ACTION_CHECKBOX_NAME,
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
        )

    def rename_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the floors above add to the page."""
        return {}

    def _page(self, request: HttpRequest, form: NamesForm, **context: Any) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            **self.rename_context(request),
            "title": "Rename groups",
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, self.rename_template, context)


class RenamePage(RenameAction):
    """Mixed into the list of groups: a page to rename any of them."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.rename_view)
        return [path("rename/", view, name="members_group_rename"), *super().get_urls()]

    def rename_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the names and the places, and show the plan."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and not may_plan(request):
            raise PermissionDenied
        posted = request.method == "POST"
        form = NamesAndPlacesForm(request.POST if posted else None, request.FILES if posted else None)
        return _planned(request, form, ()) or self._page(request, form, may_plan=may_plan(request))


def _planned(request: HttpRequest, form: NamesForm, groups: tuple[GroupKey, ...]) -> HttpResponse | None:
    """The way to the plan; None where the form has to be asked again."""
    if not form.is_valid():
        return None
    try:
        plan = plan_renames(form.selection(groups))
    except PatternTrouble as trouble:
        form.add_error("pattern", str(trouble))
        return None
    return show_plan(request, plan, nothing=_NOTHING)


def _read(file: UploadedFile | None) -> dict[str, str]:
    """Raises MappingTrouble."""
    if file is None:
        raise MappingTrouble("Choose the file.")
    if (file.size or 0) > LARGEST_MAPPING:
        raise MappingTrouble("The file is larger than 1 MB: that is no mapping of names.")
    return read_mapping(file.read())
