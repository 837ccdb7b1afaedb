"""Housekeeping of the project itself."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from groupadmin import schedule_watch
from members import table_files


@shared_task
def clear_expired_sessions() -> None:
    """Forget the admin sign-ins that have expired; Django keeps their rows for ever."""
    call_command("clearsessions")


@shared_task
def forget_uploads() -> None:
    """Delete tables that somebody uploaded for an import and did not confirm."""
    table_files.forget_uploads()


@shared_task
def look_after_schedules() -> None:
    """Tell of schedules that did not run when they were due."""
    schedule_watch.look(timezone.now())
