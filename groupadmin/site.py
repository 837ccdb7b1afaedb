"""The admin site: its name, its navigation and its index page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from groupadmin import dashboard
from groupadmin.access import note
from groupadmin.navigation import arrange
from members.ui import DASH


class GroupAdminSite(admin.AdminSite):
    """Django's admin, sorted by duty instead of by app, with an overview as its first page."""

    site_header = "Group Admin"
    site_title = "Group Admin"
    index_title = "Overview"
    index_template = "groupadmin/index.html"
    app_index_template = "groupadmin/app_index.html"
    site_url = None
    empty_value_display = DASH

    def admin_view(self, view: Callable[..., HttpResponseBase], cacheable: bool = False) -> Any:
        """As Django has it; a filter that makes no sense is a bad request, whatever page it is meant for.

        Whoever opens the address of a button, to which a sign-in may lead back, hears that nothing was done.
        """

        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                answer = view(request, *args, **kwargs)
            except IncorrectLookupParameters as error:
                raise BadRequest("These filters make no sense.") from error
            if not isinstance(answer, HttpResponseNotAllowed):
                return answer
            page = render(request, "405.html", status=answer.status_code)
            page.headers["Allow"] = answer.headers["Allow"]
            return page

        return super().admin_view(asked, cacheable)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """As Django has it, and on record: whoever finds a browser open may have done it."""
        response = super().password_change(request, extra_context)
        if request.method == "POST" and response.status_code == 302:
            user: Any = request.user
            note(user, "user.password_set", user)
        return response

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The navigation's sections; with `app_label`, Django's own list of that app."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        apps = super().get_app_list(request)
        models = (model for app in apps for model in app["models"])
        return arrange(models, request.path, request.user.has_perm)

    def get_urls(self) -> list[Any]:
        """Pages that are no model's come first: Django's last one takes every address."""
        from audits.admin.my_groups import my_groups_view  # when all models are ready
        from audits.admin.trends import employee_trend_view, group_trend_view, trends_view
        from audits.history.admin.search import search_view
        from groupadmin.admin.second_factor import recovery_codes_view, second_factor_view, set_up_view
        from telegram_ops.admin.find import find_view
        from telegram_ops.admin.removals import remove_view
        from whitelist.admin.person import person_view
        from whitelist.admin.report import report_view

        return [
            path("find/", self.admin_view(find_view), name="find_person"),
            path("my-groups/", self.admin_view(my_groups_view), name="my_groups"),
            path("trends/", self.admin_view(trends_view), name="trends"),
            path("trends/group/<int:pk>/", self.admin_view(group_trend_view), name="group_trend"),
            path("trends/employee/<int:pk>/", self.admin_view(employee_trend_view), name="employee_trend"),
            path("messages/", self.admin_view(search_view), name="search_messages"),
            path("remove/", self.admin_view(remove_view), name="remove_person"),
            path("community/", self.admin_view(report_view), name="community_report"),
            path("person/", self.admin_view(person_view), name="community_person"),
            path("second-factor/", self.admin_view(second_factor_view), name="second_factor"),
            path("second-factor/set-up/", self.admin_view(set_up_view), name="second_factor_setup"),
            path("second-factor/codes/", self.admin_view(recovery_codes_view), name="recovery_codes"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The overview: what there is, what needs attention, what to do next."""
        if not request.user.get_all_permissions():
            messages.info(request, "You have no role yet, so there is little to see. Ask an owner for one.")
        overview = dashboard.load(request.user, timezone.now())
        return super().index(request, {"overview": overview, **(extra_context or {})})
