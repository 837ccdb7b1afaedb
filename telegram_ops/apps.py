from django.apps import AppConfig


class TelegramOpsConfig(AppConfig):
    name = "telegram_ops"
    verbose_name = "Telegram desk"
    default_auto_field = "django.db.models.BigAutoField"
