from django.apps import AppConfig
from django.db.models.signals import post_migrate


class HistoryConfig(AppConfig):
    name = "audits.history"
    label = "history"
    verbose_name = "Conversations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audits.history.search_index import keep_triggers

        post_migrate.connect(keep_triggers, sender=self, dispatch_uid="history.search_index")
