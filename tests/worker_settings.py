"""Settings of the worker processes that tests start: the product's own, and the kinds of the tests."""

from __future__ import annotations

from groupadmin.settings import *  # noqa: F403
from groupadmin.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.operations_app.OperationsOfTests"]
OPERATION_SLICE_SECONDS = 0.5  # an operation goes through the broker again and again
