"""Commands that write, and then let an audit tell what came of it."""

from __future__ import annotations

import time

from audits import services
from audits.models import AuditRun, RunState
from audits.remediation.verification import verification_of
from members.management.base import ExitCode
from members.management.progress import ProgressLine
from members.management.writing import WriterCommand
from members.operations.models import Operation
from members.spreadsheet import one_line

_PAUSE = 1.0


class VerifyingCommand(WriterCommand):
    """A writer whose operations are followed by an audit."""

    done: str
    """What is done when the audit begins: "The removals are done"."""

    def left_to_do(self) -> str:
        """What the audit found to be left, behind a semicolon; "" where nobody counts that."""
        return ""

    def follow_up(self, operation: Operation) -> ExitCode:
        """Run the audit that ends the findings which the operation has settled."""
        run = verification_of(operation.pk)
        if run is None:
            return ExitCode.DONE
        try:
            run = self.run_audit(run)
        except KeyboardInterrupt:
            self.stderr.write(
                f"{self.done}; the audit that looks again was interrupted: run manage.py audit."
            )
            raise
        self.stdout.write(f"Verification: {run} is {run.get_state_display().lower()}{self.left_to_do()}")
        for line in run.message.splitlines():
            self.stdout.write(f"! {one_line(line)}")
        seen = run.state in (RunState.COMPLETE, RunState.PARTIAL)
        return ExitCode.DONE if seen else ExitCode.PARTLY_DONE

    def run_audit(self, run: AuditRun) -> AuditRun:
        """Run it here, or wait until whoever has taken it has run it."""
        with ProgressLine(self) as line:
            while not run.finished:
                try:
                    run = services.execute_audit(
                        run.pk, show=lambda view: line.show(f"Verifying: {view.label}", view.percent)
                    )
                except services.AuditBusy:
                    services.recover_audits()
                    run.refresh_from_db()
                    label = run.progress_label or "waiting for another audit to end"
                    line.show(f"Verifying: {label}", run.progress_percent)
                    if not run.finished:
                        time.sleep(_PAUSE)
        return run
