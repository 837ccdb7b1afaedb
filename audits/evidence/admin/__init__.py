"""The admin of evidence: packs to make, take away and verify; and what was purged."""

from audits.evidence.admin.packs import EvidencePackAdmin
from audits.evidence.admin.purges import RecordPurgeAdmin

__all__ = ["EvidencePackAdmin", "RecordPurgeAdmin"]
