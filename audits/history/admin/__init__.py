"""The admin of conversations: to read, search, fetch, export, and how long they are kept."""

from audits.history.admin import groups, search
from audits.history.admin.conversations import ConversationAdmin
from audits.history.admin.engagement import LivelinessAdmin
from audits.history.admin.exports import ExportJobAdmin
from audits.history.admin.retention import PurgeAdmin, RetentionPeriodAdmin
from audits.history.admin.syncs import SyncJobAdmin

__all__ = [
    "ConversationAdmin",
    "ExportJobAdmin",
    "LivelinessAdmin",
    "PurgeAdmin",
    "RetentionPeriodAdmin",
    "SyncJobAdmin",
    "groups",
    "search",
]
