"""The project as a Django app (its commands, checks and tasks), and the admin with our own site."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class GroupAdminConfig(AppConfig):
    name = "groupadmin"
    verbose_name = "Group Admin"

    def ready(self) -> None:
        # Importing the checks registers them; only now are the apps ready.
        from groupadmin import checks, schedule_watch  # noqa: F401
        from groupadmin.middleware import note_sign_in
        from groupadmin.roles import give_roles_after_migrating

        schedule_watch.connect()
        # Ours is the last app, so the permissions of all others are made by then.
        post_migrate.connect(give_roles_after_migrating, sender=self)
        user_logged_in.connect(note_sign_in)


class GroupAdminSiteConfig(AdminConfig):
    default = False  # named in INSTALLED_APPS in full; "groupadmin" alone must not find it
    default_site = "groupadmin.site.GroupAdminSite"
