from django.apps import AppConfig


class WhitelistConfig(AppConfig):
    name = "whitelist"
    verbose_name = "Gated community"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from whitelist.kinds import register_kinds

        register_kinds()
