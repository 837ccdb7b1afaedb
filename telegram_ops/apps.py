from django.apps import AppConfig


class TelegramOpsConfig(AppConfig):
    name = "telegram_ops"
    verbose_name = "Telegram desk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from members.operations import connections
        from members.platforms.types import Platform
        from telegram_ops.account import TelegramAccount

        connections.register(Platform.TELEGRAM, TelegramAccount)
