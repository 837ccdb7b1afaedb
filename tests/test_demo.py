"""The headline command: an invented company is audited from nothing, in processes of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import Settings

from groupadmin import demo_rows
from groupadmin.sandbox.company import add_community, build_company
from groupadmin.sandbox.runner import Sandbox
from members.customers.models import Customer
from tests.audit_world import TINY, Office
from tests.processes import environment, manage
from whitelist import facts, flags
from whitelist.models import Subscription


@pytest.mark.long
def test_the_demo_audits_the_whole_company(tmp_path: Path) -> None:
    done = manage("demo", "--once", env=environment(VAR_DIR=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    workbook = tmp_path / "demo" / "customer_group_audit.xlsx"
    assert str(workbook) in done.stdout
    assert "118 Slack, 410 Telegram" in done.stdout
    sheet = load_workbook(workbook)["Audit Results"]
    platforms = [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert (platforms.count("Slack"), platforms.count("Telegram")) == (118, 410)


@pytest.mark.django_db(transaction=True)
def test_after_the_audit_it_has_a_community_and_customers_to_look_at(
    start_sandbox: Callable[..., Sandbox], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, company = timezone.now(), build_company(replace(TINY, slack_in_scope=20))
    community = add_community(company, now)
    office = Office(start_sandbox(company))
    settings.TELEGRAM_GATED_CHAT_ID = community.chat_id
    subscribers = tmp_path / "subscribers.csv"
    subscribers.write_text(community.subscribers)
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "made up for this test")
    office.audit("--platform=slack")

    demo_rows.fill("demo", str(subscribers), community.unprotected)

    census = facts.census(now=now + timedelta(seconds=1))
    assert census.members == len(company.telegram.chats[community.chat_id].members)
    assert census.at_risk == census.burned == len(community.unprotected) > 0
    assert {"active", "grace", "expired"} <= {*Subscription.objects.values_list("status", flat=True)}
    assert not flags.kick_enabled()
    assert User.objects.get().username == "demo"
    assert Customer.objects.filter(groups__isnull=False).exists()
