"""Days that landed and are unpublished: their run failed, was deleted, or never came.

Looked at are the days around the newest published one, so that a pass costs nothing where all is published, and a few
questions to the storage where not. Older gaps are listed by `slipstream features catch-up`. With `triggers.landing` a run is
made for such a day, once; a day that never validates does not fail for ever. Without it, an alert is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from include.core.errors import SlipstreamError
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.time import MICROSECOND, utc, zoned
from include.data.published import published_lately
from include.data.raw import RawPartitions
from include.reconcile.airflow import RunState
from include.reconcile.world import Finding, PendingAlert, World, make_run, record_once

MARGIN = timedelta(days=7)  # before and after the newest published day
LATE = timedelta(hours=6)  # after a day's schedule: it waits for its sensor, and is retried
REPLAY_AGE = timedelta(days=30)  # a source whose newest days are older is a replay of the past: its days come when a person asks


def find(world: World) -> Iterator[Finding]:
    recent = published_lately(world.control, MARGIN)
    for model in (*world.models, *world.sets):
        known = recent.get(model, frozenset())
        if _whole(world.now, known):
            continue  # its spec is not even read
        try:
            spec = world.owner(model) if world.owner is not None else world.spec(model)
        except SlipstreamError:
            continue  # it has no DAGs either: dags/broken_models.py names it
        days = _missing(world, spec, known)
        if days and not any(world.airflow.unfinished(f"{model}_{part}") for part in ("features", "features_range")):
            yield from _of_model(world, spec, days)


def _whole(now: datetime, known: frozenset[Partition]) -> bool:
    """Whether a week without a gap is published, up to the newest day whose run should have been done."""
    if not known:
        return False
    newest = max(known)
    lengths = {day.length for day in known}
    if len(lengths) != 1:  # of a zone's days some are longer than others: the spec says which there are
        return False
    return len(known) == MARGIN // newest.length + 1 and now < zoned(newest.end + 2 * newest.length) + LATE


def _done_by(day: Partition) -> datetime:
    """When a partition's run should have been done: a schedule fires once in each, of a day within the one after it."""
    return zoned(day.end + day.length) + LATE


def _missing(world: World, spec: PartitionOwner, known: frozenset[Partition]) -> list[Partition]:
    """The days whose raw partitions are all there and whose features are not, oldest first."""
    if not known and not spec.triggers.landing:
        return []  # nobody has started it yet
    data, newest = spec.data, max(known, default=spec.data.earliest)
    around = data.cadence.touching(newest.start - MARGIN, newest.start + MARGIN + MICROSECOND)
    days = [day for day in around if data.holds(day)]
    raw = RawPartitions.of(world.ledger.storage, spec)
    due = (day for day in days if day not in known and _due(world.now, spec, day, newest))
    return [day for day in due if all(raw.exists(source, day) for source in data.sources)]


def _due(now: datetime, spec: PartitionOwner, day: Partition, newest: Partition) -> bool:
    """Whether its run should have been done by now."""
    if now < _done_by(day):
        return False
    return spec.triggers.landing or day < newest or utc(now) - day.start < REPLAY_AGE


def _of_model(world: World, spec: PartitionOwner, days: list[Partition]) -> Iterator[Finding]:
    dag_id = f"{spec.name}_features"
    paused = world.airflow.paused(dag_id)
    if paused is None or paused or not spec.triggers.landing:
        yield _report(world, spec.name, days, dag_id, f": the DAG {dag_id} is paused" if paused else "")
        return
    over = []
    for day in days:
        run_id = f"reconciled__day-{day}"
        if world.airflow.run(dag_id, run_id) is RunState.GONE:
            summary, act = f"{day} landed and is unpublished", partial(_make, world, spec.name, day, dag_id, run_id)
            yield Finding("day.unpublished", f"day/{spec.name}/{day}", spec.name, summary, f"the run {run_id} of {dag_id}", act)
            break  # one at a time: a day reads those before it
        over.append(day)
    if over:
        yield _report(world, spec.name, over, dag_id, ": the run that was made for it is over")


def _make(world: World, model: str, day: Partition, dag_id: str, run_id: str) -> bool:
    finding, text = f"day/{model}/{day}", f"{model}: {day} landed and is unpublished; the run {run_id} of {dag_id} makes it."
    record_once(world, finding, "reconcile.features", PendingAlert(finding, "day_unpublished", "info", model, text))
    return make_run(
        world, dag_id, run_id, {"day": str(day)}, lambda summary: _report(world, model, [day], dag_id, f": {summary}").act()
    )


def _report(world: World, model: str, days: list[Partition], dag_id: str, why: str) -> Finding:
    """One alert for the days that are missing now; another one once a later day is missing, too."""
    named = str(days[0]) if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"
    summary = f"{named} landed and {'is' if len(days) == 1 else 'are'} unpublished{why}"
    remedy = f"clear the day's run of {dag_id}, or trigger it with day={days[0]}; slipstream features catch-up {model} --dry-run"
    finding = f"day/{model}/{days[-1]}/told"
    pending = PendingAlert(finding, "day_unpublished", "ticket", model, f"{model}: {summary}. Next: {remedy}.")
    act = partial(record_once, world, finding, "reconcile.told", pending)
    return Finding("day.unpublished", finding, model, summary, f"alert sent; {remedy}", act)
