"""The admin of leavings and joinings."""

from audits.staff_changes.admin.changes import StaffChangeAdmin

__all__ = ["StaffChangeAdmin"]
