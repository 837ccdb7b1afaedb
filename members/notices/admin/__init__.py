"""The page “Notices”: what was told to whom, what did not get through, and who is told what."""

from members.notices.admin.notices import NoticeAdmin

__all__ = ["NoticeAdmin"]
