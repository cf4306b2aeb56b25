"""One pass over the world, and what is done about what it finds. Two at once, or one that is killed, do nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from include.core.effects import results_in
from include.core.errors import PermanentError, SlipstreamError
from include.core.request import Json
from include.core.time import timestamp
from include.reconcile import candidates, days, decisions, endpoints, jobs, leftovers, rollouts, unheard
from include.reconcile.world import NOTICES, Finding, PendingAlert, World

log = logging.getLogger(__name__)

RESEND_FOR = timedelta(days=1)  # an alert that could not be sent is tried again for that long
# Traffic first. The job backend may be down for its own reasons, which others report: not to know its jobs fails nothing.
SECTIONS: dict[str, Callable[[World], Iterator[Finding]]] = {
    "rollouts": rollouts.find,
    "targets": endpoints.find,
    "evidence": unheard.find,
    "candidates": candidates.find,
    "decisions": decisions.find,
    "days": days.find,
    "jobs": jobs.find,
    "leftovers": leftovers.find,
}
OPTIONAL = ("jobs",)


@dataclass
class Report:
    """What was found, what changed, and what could not be looked at: by section, why."""

    found: list[Finding] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # keys of findings
    unknown: dict[str, SlipstreamError] = field(default_factory=dict)

    @property
    def failure(self) -> SlipstreamError | None:
        """The first reason of a section that should have been looked at."""
        return next((error for name, error in self.unknown.items() if name not in OPTIONAL), None)

    def to_json(self) -> dict[str, Json]:
        return {
            "found": [finding.to_json() for finding in self.found],
            "changed": self.changed,
            "unknown": {name: error.what for name, error in self.unknown.items()},
        }


def reconcile(world: World, *, dry_run: bool = False) -> Report:
    """Look everywhere, and act on what is found. What one section cannot know keeps no other from its work."""
    report = Report()
    for name, find in SECTIONS.items():
        try:
            for finding in find(world):
                report.found.append(finding)
                if not dry_run and finding.act():
                    report.changed.append(finding.key)
        except SlipstreamError as error:
            report.unknown[name] = error
        except Exception as error:
            log.exception("the section %s", name)
            report.unknown[name] = PermanentError(f"The reconciler's check of {name} failed: {type(error).__name__}: {error}.")
    return report


def unsent(world: World) -> list[PendingAlert]:
    """Alerts that were recorded and not sent yet, oldest first."""
    since = timestamp(world.now - RESEND_FOR)
    with world.control.transaction() as connection:
        notices = [PendingAlert.from_json(dict(kept.body)) for kept in NOTICES.since_in(connection, since)]
        sent = results_in(connection, [f"told/{pending.key}" for pending in notices])
    return [pending for pending in notices if f"told/{pending.key}" not in sent]
