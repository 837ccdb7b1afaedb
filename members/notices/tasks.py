"""Celery's beat sends what is in the outbox. Nothing else has to wake it: the rows are the truth."""

from __future__ import annotations

from celery import shared_task

from members.notices import delivery


@shared_task
def deliver_notices() -> None:
    """Send what is due; scheduled every quarter of a minute."""
    delivery.deliver()
