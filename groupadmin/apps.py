"""The project as a Django app (its commands, checks and tasks), and the admin with our own site."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class GroupAdminConfig(AppConfig):
    name = "groupadmin"
    verbose_name = "Group Admin"

    def ready(self) -> None:
        from groupadmin import checks  # noqa: F401  # importing registers them; only now are the apps ready


class GroupAdminSiteConfig(AdminConfig):
    default = False  # named in INSTALLED_APPS in full; "groupadmin" alone must not find it
    default_site = "groupadmin.site.GroupAdminSite"
