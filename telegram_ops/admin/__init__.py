"""The admin pages of the Telegram desk."""

from telegram_ops.admin.accounts import TelegramAccountAdmin
from telegram_ops.admin.ownership import OwnershipRequestAdmin
from telegram_ops.admin.ownership_templates import OwnershipTemplateAdmin

__all__ = ["OwnershipRequestAdmin", "OwnershipTemplateAdmin", "TelegramAccountAdmin"]
