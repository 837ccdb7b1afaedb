"""The admin of audits: runs, their results, and the findings."""

from audits.admin import customers, exclusions, operations, people
from audits.admin.findings import FindingAdmin
from audits.admin.powerless import PowerlessGroupAdmin
from audits.admin.results import GroupResultAdmin
from audits.admin.runs import AuditRunAdmin

__all__ = [
    "AuditRunAdmin",
    "FindingAdmin",
    "GroupResultAdmin",
    "PowerlessGroupAdmin",
    "customers",
    "exclusions",
    "operations",
    "people",
]
