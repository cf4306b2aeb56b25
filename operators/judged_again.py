"""What a task does about a stage that has passed and is waited in: the judge has looked on, and has something to say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk import Context

from include.core.errors import GateClosed
from include.core.time import now
from operators.alert import Alert, send_alert
from operators.run import holder

if TYPE_CHECKING:
    from include.rollout.after_verdict import Found
    from include.rollout.history import Rollout
    from include.services.services import Services

log = logging.getLogger(__name__)
PLAYBOOK = "docs/operating.md#the-judge-doubts-a-version-that-waits-for-approval"


def judge_again(context: Context, services: Services, rollout: Rollout) -> None:
    """Look once more at the stage in which the traffic is left. What a trigger has seen is not trusted.

    Raises GateClosed where it is against the challenger now: it is rolled back. A doubt is written down, and somebody is called.
    """
    from include.rollout.after_verdict import after_verdict, doubt, withdraw
    from include.rollout.history import read_rollout

    spec = services.spec(rollout.model) if rollout.live else None
    found = after_verdict(services.control, services.settings, spec, rollout, now())
    if found is None:
        return
    epoch = services.control.take(rollout.resource, holder(context))
    if found.what == "doubted":
        doubt(services.control, rollout, found, epoch, now())
        _call_somebody(services, rollout, found)
    elif withdraw(services.control, rollout, found, epoch):
        why = read_rollout(services.control, rollout.id).reason
        raise GateClosed(
            f"Version {rollout.challenger} of {rollout.model} is rolled back: {why}.",
            safe=f"version {rollout.champion} serves all traffic." if rollout.champion else "no version serves, as before.",
            hint="nobody needs to answer any more: read the evidence (slipstream rollout status), mend the model, register a new "
            "version.",
        )


def _call_somebody(services: Services, rollout: Rollout, found: Found) -> None:
    words = (
        f"{rollout.model}: the judge would not let version {rollout.challenger} pass {found.stage} today, where it waits: "
        f"{found.words}. Nothing is proven against it, so it stays there."
    )
    log.error("%s", words)
    key = f"rollout_doubt/{rollout.id}/{found.stage}/{now():%Y-%m-%d}"
    send_alert(Alert(key, "rollout_doubt", "page", rollout.model, words, PLAYBOOK), services.control)
