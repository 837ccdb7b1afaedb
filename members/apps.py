from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "members"
    verbose_name = "People and groups"
    default_auto_field = "django.db.models.BigAutoField"
