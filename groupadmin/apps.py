"""The project as a Django app (its commands, checks and tasks), and the admin with our own site."""

from __future__ import annotations

import gc
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class GroupAdminConfig(AppConfig):
    name = "groupadmin"
    verbose_name = "Group Admin"

    def ready(self) -> None:
        # Importing the checks registers them; only now are the apps ready.
        from groupadmin import checks, schedule_watch  # noqa: F401
        from groupadmin.connections import plan_for_pages
        from groupadmin.middleware import note_sign_in
        from groupadmin.roles import give_roles_after_migrating

        connection_created.connect(plan_for_pages)
        schedule_watch.connect()
        # Ours is the last app, so the permissions of all others are made by then.
        post_migrate.connect(give_roles_after_migrating, sender=self)
        user_logged_in.connect(note_sign_in)
        gc.freeze()  # what is loaded is never garbage; processes that are forked share it
        gc.enable()


class GroupAdminSiteConfig(SimpleAdminConfig):
    """The admin, whose pages are loaded with the URLs: a command that shows none starts in half the time."""

    default = False  # named in INSTALLED_APPS in full; "groupadmin" alone must not find it
    default_site = "groupadmin.site.GroupAdminSite"

    def ready(self) -> None:
        """Register Django's checks of the admin, ours in the place of the one that comes before the pages."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    """Django's check of all the admin's pages: checks come in no certain order, perhaps before the URLs."""
    autodiscover()
    return check_admin_app(app_configs, **options)
