"""The task of a rollout that is there to be seen: it waits until the persons who are asked have let the version on."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context

from include.services.services import Services
from operators.traffic import RolloutOperator


class ApprovalOperator(RolloutOperator):
    """Waits until the persons whom the rollout asks have let it on; at once where it asks nobody, or where they have.

    It stands in the graph to be seen: a stage that comes without it asks by itself, and none opens by its success.

    **Example** ::

        approved = ApprovalOperator(task_id="approve", model="flight_delay", rollout=opened.output)
    """

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.approvals import require_approved

        standing = require_approved(services.control, self.driven(services))
        by = [] if standing is None else [said.person.name for said in standing.approvals]
        return {"approved_by": by, "seen": "" if standing is None else standing.seen}
