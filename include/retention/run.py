"""One run of `slipstream gc`: what is due everywhere, and what came of it. Two at once, or one that is killed, harm nothing."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from include.core.advisory_lock import advisory_lock
from include.core.control import ControlStore
from include.core.errors import ConflictError, SlipstreamError
from include.core.housekeeping import housekeeping
from include.core.ledger import Ledger
from include.core.ports import JobBackend
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.retention import datasets, machine, predictions, versions
from include.retention import ledger as ledger_gc
from include.retention.finding import Finding
from include.retention.holdings import Holding, holdings
from include.retention.holdings import Place as Held
from include.retention.ledger import Bounds
from include.retention.same_platform import require_same_platform

log = logging.getLogger(__name__)

LOCK, SUBJECT, ACTION = "gc", "storage", "gc"
ROUNDS = 4  # that a version takes to go with its results, where nobody has to be waited for


@dataclass(frozen=True)
class Place:
    """Where it clears away. `spec` raises SlipstreamError for a model that cannot be loaded."""

    settings: Settings
    control: ControlStore
    ledger: Ledger
    jobs: Callable[[], JobBackend]
    spec: Callable[[str], ModelSpec]
    models: Sequence[str]
    now: Callable[[], datetime]  # UTC, with its zone
    actor: str
    sets: Callable[[], Sequence[PartitionOwner]] = lambda: ()
    """The feature sets that can be loaded."""
    dossier: Callable[[str, int, str], str] | None = None
    """Makes, signs and keeps the dossier of a version that was last of use then; None where nothing can sign."""
    show: Callable[[str], None] = lambda _: None
    """Has the registry show what became of a model's versions."""


@dataclass
class Report:
    """What was due, what of it was done, and what could not be looked at: by place, why. `kept`: versions that their rule would
    take, and why they stay."""

    found: list[Finding] = field(default_factory=list)
    done: list[Finding] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(each.bytes for each in self.done if each.frees)


def collect(place: Place, bounds: Bounds, keep_predictions: int | None, *, dry_run: bool) -> Report:
    """Find what is due, and do it unless it is a dry run. Raises ConflictError while another one is at it, and where the storage
    is not known to be this control store's: what another one refers to would look like nobody's.

    The audit row goes first: nothing goes without one.
    """
    report = Report()
    if not dry_run:
        require_same_platform(place.control, place.ledger.storage)
    with advisory_lock(place.control, LOCK, timeout=0.1, file=LOCK) as alone:
        if not alone:
            raise ConflictError("Another slipstream gc is at work.", safe="nothing was changed.", hint="wait until it is done.")
        for _ in range(1 if dry_run or bounds.grace else ROUNDS):
            due = list(_due(place, bounds, keep_predictions, report))
            report.found += due
            if dry_run or not due:
                break
            _write_down(place, due, bounds)
            done = [each for each in due if _act(each)]
            report.done += done
            versions.show(place.control, place.show)
            if not done:  # all of it was needed again, or a store refused: another round would find the same
                break
    return report


def _due(place: Place, bounds: Bounds, keep_predictions: int | None, report: Report) -> Iterator[Finding]:
    now = place.now()
    there = holdings(place.ledger.storage)  # before the control store is read: what is committed and named since is in no listing
    at_work = _at_work(place, report)
    specs = _specs(place, report)
    yield from _versions(place, specs, there, partial(ledger_gc.may_finish, there, bounds, now, at_work), report)
    expired = {key for spec in specs for key in datasets.expired_scores(place.ledger, spec, now)}
    yield from ledger_gc.find(place.ledger, place.control, bounds, now, at_work, expired, there)
    for spec in specs:
        yield from datasets.find(place.ledger, place.control, spec, now)
    for owner in place.sets():
        yield from datasets.find_raw(place.ledger.storage, owner, now)
    yield from datasets.find_answers(place.ledger.storage, place.settings, now)
    yield from machine.find_scratch(place.settings)
    unfinished = {job for each in there.values() if not each.has_result for job in each.jobs}
    yield from machine.find_jobs(place.settings, bounds.older_than, now, unfinished)
    yield from _old_predictions(place, specs, keep_predictions, now)


def _versions(
    place: Place, specs: Sequence[ModelSpec], there: Mapping[Held, Holding], at_work: Callable[[Held], bool], report: Report
) -> Iterator[Finding]:
    releasing = versions.Releasing(place.actor, place.now(), at_work, place.dossier)
    yield from versions.follow_up(place.ledger, place.control, there)
    yield from versions.imported(place.ledger, place.control, there, releasing.now)
    for spec in specs:
        looked = versions.find(place.ledger, place.control, spec, there, releasing)
        report.kept |= looked.kept
        yield from looked.due


def _at_work(place: Place, report: Report) -> frozenset[str] | None:
    try:
        return frozenset(place.jobs().under_way())
    except SlipstreamError as error:  # then every attempt without a result may be one
        report.unknown["jobs"] = error.what
        return None


def _specs(place: Place, report: Report) -> list[ModelSpec]:
    found = []
    for model in place.models:
        try:
            found.append(place.spec(model))
        except SlipstreamError as error:
            report.unknown[model] = error.what
    return found


def _old_predictions(place: Place, specs: Sequence[ModelSpec], keep_days: int | None, now: datetime) -> Iterator[Finding]:
    for spec in specs:
        days = keep_days if spec.data.retention.predictions_days is None else spec.data.retention.predictions_days
        if days is not None:
            yield from predictions.find(place.settings.home, place.ledger.storage, spec, place.control, days, now)


def _write_down(place: Place, due: Sequence[Finding], bounds: Bounds) -> None:
    counts: dict[str, dict[str, Any]] = defaultdict(lambda: {"count": 0, "bytes": 0})
    for each in due:
        counts[f"{each.kind} {each.step}"]["count"] += 1
        counts[f"{each.kind} {each.step}"]["bytes"] += each.bytes
    days = {name: getattr(bounds, name).total_seconds() / 86_400 for name in ("older_than", "grace", "settle")}
    with place.control.transaction() as connection:
        place.control.append_audit(connection, place.actor, ACTION, SUBJECT, {"due": dict(sorted(counts.items())), "days": days})


def _act(finding: Finding) -> bool:
    with housekeeping(finding.name):
        if finding.act():
            return True
    return False
