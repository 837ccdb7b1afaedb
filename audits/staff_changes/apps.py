from django.apps import AppConfig


class StaffChangesConfig(AppConfig):
    name = "audits.staff_changes"
    label = "staff_changes"
    verbose_name = "Leaving and joining"
    default_auto_field = "django.db.models.BigAutoField"
