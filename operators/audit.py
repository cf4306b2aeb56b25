"""The installation's own DAG: every week the audit chain is verified and sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pendulum
from airflow.sdk import DAG, BaseOperator, Context, CronDataIntervalTimetable

from include.core.request import Json
from operators.alert import Alert, FailureNotifier, send_alert
from operators.hooks import open_services
from operators.run import holder

AUDIT = "docs/security.md#audit"


class VerifyAuditOperator(BaseOperator):
    """Checks every row and every seal; seals the newest row if all is well, sends an alert and fails if it is not."""

    def execute(self, context: Context) -> Json:
        from include.governance.audit_chain import to_json, verify
        from include.governance.seals import write_seal

        services = open_services()
        verdict = verify(services.control, services.storage)
        self.log.info("%s", verdict.words)
        for found, by in verdict.accepted:
            self.log.warning("Accepted by %s (%s): %s: %s", by.actor, by.reason, found.id, found.what)
        if not verdict.intact:
            places = ", ".join(each.id for each in verdict.findings)
            for each in verdict.findings:
                self.log.error("%s: %s", each.id, each.what)
            words = f"The audit chain is not as it was written: {places}"
            send_alert(Alert(f"audit/{verdict.rows}/{places}"[:200], "audit_broken", "page", "", words, AUDIT), services.control)
        verdict.raise_if_broken()
        seal = write_seal(services.control, services.storage, actor=holder(context))
        self.log.info("%s", f"Seal {seal.number} is of row {seal.seq}." if seal else "Nothing was added since the newest seal.")
        return {**to_json(verdict), "seal": seal.number if seal else None}


def audit_dag() -> DAG:
    """Weekly; switched on from the start. Cheap: one pass over the table."""
    from operators.lifecycle import RETRYING, TIMEZONE

    defaults: dict[str, Any] = {"on_failure_callback": FailureNotifier(""), **RETRYING}
    with DAG(
        dag_id="slipstream_audit",
        schedule=CronDataIntervalTimetable("0 5 * * 1", timezone=TIMEZONE),
        start_date=datetime(2013, 1, 1, tzinfo=pendulum.timezone("UTC")),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["slipstream"],
        description="Verifies the audit chain and seals it",
        doc_md=_DOC,
        default_args=defaults,
        auto_register=False,
    ) as dag:
        VerifyAuditOperator(task_id="verify")
    return dag


_DOC = """### The audit chain
Checks that no row of the audit chain was edited, removed or cut off, against the seals in the storage root, and seals the newest
row. A failure is an alarm: see *Audit* in docs/security.md. By hand: `slipstream audit verify`.
"""
