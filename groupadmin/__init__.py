"""Group Admin's project: settings and wiring on top of the apps."""

from groupadmin.celery import app as celery_app

__all__ = ["celery_app"]
