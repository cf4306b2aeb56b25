"""The installation's own DAG: the audit chain is verified, sealed and anchored daily. The reconciler anchors it as well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import DAG, BaseOperator, Context, CronDataIntervalTimetable

from include.core.digest import digest_json
from include.core.environment_governance import AUDIT_ANCHOR
from include.core.errors import SlipstreamError, one_line
from include.core.request import Json
from include.core.time import now
from include.services.services import Services
from operators.alert import Alert, FailureNotifier, send_alert
from operators.hooks import open_services
from operators.run import holder

if TYPE_CHECKING:
    from include.governance.anchors import Anchoring, Place
    from include.governance.audit_chain import Verdict

AUDIT = "docs/audit.md#an-alarm"


def anchor_audit(services: Services, say: Callable[[str], None], complain: Callable[[str], None]) -> Anchoring:
    """Anchor the newest row where SLIPSTREAM_AUDIT_ANCHOR says. Nothing here fails the caller: a place that is away, or refuses,
    is told once a day, and asked again by the next run."""
    from include.governance.anchors import Anchoring, anchor_head

    try:
        done = anchor_head(services.control, services.anchor_places(say))
    except SlipstreamError as error:  # the setting cannot be read, or AWS's login is not there
        done = Anchoring(None, failed={AUDIT_ANCHOR.name: error})
    if done.written:
        say(done.words)
    for place, why in done.failed.items():
        words = f"The audit chain could not be anchored at {place}: {one_line(why)}"
        complain(words)
        key = f"audit_anchor/{digest_json(place)[:16]}/{now():%Y-%m-%d}"
        send_alert(Alert(key, "audit_not_anchored", "ticket", "", words, AUDIT), services.control)
    return done


class VerifyAuditOperator(BaseOperator):
    """Checks every row, every seal and every anchor; seals and anchors the newest row if all is well, sends an alert and fails if
    it is not. A place of anchors that is away is told, and keeps nothing from being checked."""

    def execute(self, context: Context) -> Json:
        from include.governance.anchors import read_places
        from include.governance.audit_chain import to_json, verify
        from include.governance.seals import write_seal

        services = open_services()
        verdict = verify(services.control, services.storage, read_places(self._places(services)))
        self.log.info("%s", verdict.words)
        for found, by in verdict.accepted:
            self.log.warning("Accepted by %s (%s): %s: %s", by.actor, by.reason, found.id, found.what)
        if not verdict.intact:
            self._alarm(verdict, services)
        verdict.raise_if_broken()
        seal = write_seal(services.control, services.storage, actor=holder(context))
        self.log.info("%s", f"Seal {seal.number} is of row {seal.seq}." if seal else "Nothing was added since the newest seal.")
        done = anchor_audit(services, self.log.info, self.log.error)
        return {**to_json(verdict), "seal": seal.number if seal else None, "written": [*done.written]}

    def _places(self, services: Services) -> list[Place]:
        try:
            return services.anchor_places(self.log.info)
        except SlipstreamError as error:  # told by `anchor_audit`, after the rest was verified
            self.log.error("The places of anchors cannot be opened: %s", one_line(error))
            return []

    def _alarm(self, verdict: Verdict, services: Services) -> None:
        places = ", ".join(each.id for each in verdict.findings)
        for each in verdict.findings:
            self.log.error("%s: %s", each.id, each.what)
        since = f", from row {verdict.first} on" if verdict.first else ""
        words = f"The audit chain is not as it was written{since}: {places}"
        key = f"audit/{verdict.rows}/{places}"[:200]
        send_alert(Alert(key, "audit_broken", "page", "", words, AUDIT, {"first_bad_row": verdict.first}), services.control)


def audit_dag() -> DAG:
    """Daily; switched on from the start. Cheap: one pass over the table."""
    from operators.lifecycle import RETRYING, TIMEZONE

    defaults: dict[str, Any] = {"on_failure_callback": FailureNotifier(""), **RETRYING}
    with DAG(
        dag_id="slipstream_audit",
        schedule=CronDataIntervalTimetable("0 5 * * *", timezone=TIMEZONE),
        start_date=datetime(2013, 1, 1, tzinfo=pendulum.timezone("UTC")),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["slipstream"],
        description="Verifies the audit chain, seals and anchors it",
        doc_md=_DOC,
        default_args=defaults,
        auto_register=False,
    ) as dag:
        VerifyAuditOperator(task_id="verify")
    return dag


_DOC = """### The audit chain
Checks that no row of the audit chain was edited, removed or cut off, against the seals in the storage root and the anchors
outside it (`SLIPSTREAM_AUDIT_ANCHOR`), and seals and anchors the newest row. A failure is an alarm: see *An alarm* in
docs/audit.md. By hand: `slipstream audit verify`.
"""
