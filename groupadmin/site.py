"""The admin site: its name, its navigation and its index page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from groupadmin import dashboard
from groupadmin.navigation import arrange


class GroupAdminSite(admin.AdminSite):
    """Django's admin, sorted by duty instead of by app, with an overview as its first page."""

    site_header = "Group Admin"
    site_title = "Group Admin"
    index_title = "Overview"
    index_template = "groupadmin/index.html"
    app_index_template = "groupadmin/app_index.html"
    site_url = None

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The navigation's sections; with `app_label`, Django's own list of that app."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        apps = super().get_app_list(request)
        models = (model for app in apps for model in app["models"])
        return arrange(models, request.path, request.user.has_perm)

    def get_urls(self) -> list[Any]:
        """Pages that are no model's come first: Django's last one takes every address."""
        from audits.history.admin.search import search_view  # when all models are ready
        from telegram_ops.admin.find import find_view
        from telegram_ops.admin.removals import remove_view
        from whitelist.admin.person import person_view
        from whitelist.admin.report import report_view

        return [
            path("find/", self.admin_view(find_view), name="find_person"),
            path("messages/", self.admin_view(search_view), name="search_messages"),
            path("remove/", self.admin_view(remove_view), name="remove_person"),
            path("community/", self.admin_view(report_view), name="community_report"),
            path("person/", self.admin_view(person_view), name="community_person"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The overview: what there is, what needs attention, what to do next."""
        overview = dashboard.load(request.user, timezone.now())
        return super().index(request, {"overview": overview, **(extra_context or {})})
