"""Commands that write, and then let an audit tell what came of it."""

from __future__ import annotations

import time

from django.utils import timezone

from audits import services
from audits.models import AuditRun
from members.management.progress import ProgressLine
from members.management.writing import WriterCommand

_PAUSE = 1.0


class VerifyingCommand(WriterCommand):
    """A writer whose operations are followed by an audit."""

    def run_audit(self, run: AuditRun) -> AuditRun:
        """Run it here, or wait until whoever has taken it has run it."""
        with ProgressLine(self) as line:
            while not run.finished:
                try:
                    run = services.execute_audit(
                        run.pk, show=lambda view: line.show(f"Verifying: {view.label}", view.percent)
                    )
                except services.AuditBusy:
                    services.recover_audits(now=timezone.now())
                    run.refresh_from_db()
                    label = run.progress_label or "waiting for another audit to end"
                    line.show(f"Verifying: {label}", run.progress_percent)
                    if not run.finished:
                        time.sleep(_PAUSE)
        return run
