"""What the tests' own kinds of operations are to a process that tests start."""

from __future__ import annotations

from datetime import timedelta

from django.apps import AppConfig


class OperationsOfTests(AppConfig):
    """Knows the kinds of `tests.operations_world`, writes to the Slack of its environment, and has
    shorter terms than people have."""

    name = "tests"

    def ready(self) -> None:
        import pytest
        from django.conf import settings

        from members.operations import custody, lease, runner
        from members.platforms.types import Platform
        from tests.operations_world import TOKEN, Desk, SlackAccount, install, use_account

        patch = pytest.MonkeyPatch()
        patch.setattr(runner, "LEASE_PAUSE", 0.1)
        patch.setattr(custody, "ORPHANED_AFTER", timedelta(seconds=5))
        patch.setattr(lease, "TERM", timedelta(seconds=6))
        install(Desk(), patch)
        if settings.SLACK_USER_TOKEN in ("", TOKEN):  # else the test has a company of its own
            use_account(patch, Platform.SLACK, SlackAccount(settings.SLACK_API_URL))
