from django.apps import AppConfig


class TelegramOpsConfig(AppConfig):
    name = "telegram_ops"
    verbose_name = "Telegram desk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from members.operations import connections, lease
        from members.platforms.types import Platform
        from telegram_ops import gateway
        from telegram_ops.account import AccountToWrite
        from telegram_ops.ownership import register_kind

        connections.register(Platform.TELEGRAM, AccountToWrite, gateway.label_of)
        lease.name_account(Platform.TELEGRAM, gateway.account_name)
        register_kind()
