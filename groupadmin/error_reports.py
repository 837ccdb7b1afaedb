"""What the page of an error shows a developer (`DEBUG`), and what it never shows."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class ErrorReportFilter(SafeExceptionReporterFilter):
    """Django's own, which also hides sessions, phone numbers and addresses that may hold a password."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|SESSION|PHONE|URL|KEYS|DSN", re.IGNORECASE
    )
