"""Group Admin's project: settings and wiring on top of the apps."""

import gc

# What is loaded from here on stays. To look through it for garbage again and again would take a fifth of the
# start: the collector begins when all apps are ready (`GroupAdminConfig.ready`).
gc.disable()

from groupadmin.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
