"""The Celery application; its settings are the CELERY_* lines of `groupadmin.settings`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging
from kombu.transport import TRANSPORT_ALIASES

from groupadmin.processes import give_way

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groupadmin.settings")

for scheme in ("redis", "rediss"):  # named by scheme: kombu encrypts where the address says so
    TRANSPORT_ALIASES[scheme] = "groupadmin.broker:Transport"

app = Celery("groupadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add("groupadmin.heartbeats:WorkerHeartbeat")  # by name: it needs the models


@setup_logging.connect
def leave_logging_to_django(**_: Any) -> None:
    """A connected receiver keeps Celery from installing handlers of its own, which would print secrets."""


@celeryd_init.connect
def people_come_first(**_: Any) -> None:
    """Jobs can wait, people in front of a page cannot. The single process's worker sends no such signal."""
    give_way()
