"""The headline command: an invented company is audited from nothing, in processes of its own."""

from __future__ import annotations

from pathlib import Path

from openpyxl import load_workbook

from tests.processes import environment, manage


def test_the_demo_audits_the_whole_company(tmp_path: Path) -> None:
    done = manage("demo", "--once", env=environment(VAR_DIR=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    workbook = tmp_path / "demo" / "customer_group_audit.xlsx"
    assert str(workbook) in done.stdout
    assert "118 Slack, 410 Telegram" in done.stdout
    sheet = load_workbook(workbook)["Audit Results"]
    platforms = [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert (platforms.count("Slack"), platforms.count("Telegram")) == (118, 410)
