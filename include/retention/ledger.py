"""Which generations of the ledger nobody needs, and the step of their giving up that is due now (include/retention/lifecycle.py).

Kept is what is named by the control store or by a version of the folder registry, what was written to lately, what a job is at
work on, every result of a step that is not made from the ledger alone, and all that any of these was made from, to the first.
So whatever remains can be traced, and whatever goes is computed anew by asking for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.retention.finding import Finding, Kind
from include.retention.holdings import CHECKPOINTS, COLLECTED, RESULT, ROWS, WITHDRAWN, Holding, Place, Stored, holdings
from include.retention.lifecycle import State, condemn, lift, remove, state_of, withdraw
from include.retention.reachable import Named, named, with_inputs
from include.versions.queries import references

# Steps whose results follow from others in the ledger and from raw partitions. Not among them: `collect`, `labels`, `past` and
# `withdrawn`, which read the prediction log, that is not kept for ever; `monitor` and `skew`, which later windows look back on;
# `validate`, whose quarantine and pages people read; `score`, which others take; `import`; and steps that are not ours.
COLLECTABLE = frozenset(
    {"features", "training_set", "validate_training_set", "tune", "train", "evaluate", "reference", "shadows"}
)
WHY = "nothing refers to it"


@dataclass(frozen=True)
class Bounds:
    """How long things are left alone."""

    older_than: timedelta = timedelta(days=30)
    """Since a generation was last written to, before it is condemned."""
    grace: timedelta = timedelta(days=7)
    """Since it was condemned, before references to it resolve no more: longer than any run, and than the age of a backup that
    is to be restored."""
    settle: timedelta = timedelta(days=1)
    """Since then, before its files go: longer than a task takes between reading a reference and writing it down."""

    @classmethod
    def stopped(cls, older_than: timedelta) -> Bounds:
        """Where nothing runs that could use anything: without waiting."""
        return cls(older_than, timedelta(0), timedelta(0))


def find(
    ledger: Ledger,
    control: ControlStore,
    bounds: Bounds,
    now: datetime,
    at_work: Collection[str] | None,
    expired: Collection[str] = (),
    listed: Mapping[Place, Holding] | None = None,
) -> Iterator[Finding]:
    """What is due now. `expired`: keys whose time is over, of whatever step: kept only where something names them. `at_work`:
    the names of the jobs that are pending or running; None where nobody can say, then attempts without a result are left alone.
    `listed`: what lies there, where that was read before. `now` in UTC, with its zone.

    The ledger is listed before the control store is read: what is committed and named meanwhile is in no listing. Raises
    IntegrityError where it cannot be known what something that is needed was made from.
    """
    there = holdings(ledger.storage) if listed is None else listed
    found = named(control, ledger.storage)
    released = found.released.with_following(ledger, there)
    over = frozenset(expired) | released.keys
    seeds = _needed(there, found, bounds, now, at_work, over)
    kept = with_inputs(ledger, seeds, there, released, partial(is_done, there, bounds, now, at_work))
    for holding in there.values():
        if (finding := _due(ledger, holding, holding.place in kept, found, bounds, now)) is not None:
            yield finding
    yield from _spent(ledger, control, there, bounds, now)


def _needed(
    there: Mapping[Place, Holding],
    found: Named,
    bounds: Bounds,
    now: datetime,
    at_work: Collection[str] | None,
    expired: frozenset[str],
) -> set[Place]:
    def is_needed(holding: Holding) -> bool:
        return (
            (holding.step not in COLLECTABLE and holding.key not in expired)
            or holding.key in found.keys
            or now - holding.touched < bounds.older_than
            or _is_used_since(holding)
            or _may_be_at_work(holding, at_work)
        )

    return found.places | {place for place, holding in there.items() if is_needed(holding)}


def may_finish(
    there: Mapping[Place, Holding], bounds: Bounds, now: datetime, at_work: Collection[str] | None, place: Place
) -> bool:
    """Whether something without a result may still get one."""
    holding = there[place]
    return not holding.has_result and (now - holding.touched < bounds.older_than or _may_be_at_work(holding, at_work))


def is_done(there: Mapping[Place, Holding], bounds: Bounds, now: datetime, at_work: Collection[str] | None, place: Place) -> bool:
    """Whether nothing reads what a result was made from any more: it is there, and nobody has worked on it for long."""
    holding = there.get(place)
    if holding is None:
        return True
    return holding.has_result and now - holding.touched >= bounds.older_than and not _may_be_at_work(holding, at_work)


def _may_be_at_work(holding: Holding, at_work: Collection[str] | None) -> bool:
    if at_work is None:
        return bool(holding.jobs) and not holding.has_result
    return any(job in at_work for job in holding.jobs)


def _is_used_since(holding: Holding) -> bool:
    """Whether anything was written to it after it was condemned."""
    mark = holding.files.get(COLLECTED)
    return mark is not None and holding.touched > mark.at


def _due(ledger: Ledger, holding: Holding, kept: bool, found: Named, bounds: Bounds, now: datetime) -> Finding | None:
    state, storage = state_of(holding), ledger.storage
    if state is State.REMOVED or (state is State.PRESENT and (kept or not holding.contents)):
        return None
    if kept or _has_named_digest(ledger, holding, found):
        return None if state is State.PRESENT else _finding(holding, "lifted", partial(lift, storage, holding))
    if state is State.PRESENT:
        return _finding(holding, "condemned", _done(partial(condemn, ledger, holding, WHY)))
    if state is State.CONDEMNED:
        waited = _waited(holding.files[COLLECTED], bounds.grace, now)
        return _finding(holding, "withdrawn", _done(partial(withdraw, storage, holding))) if waited else None
    waited = _waited(holding.files[WITHDRAWN], bounds.settle, now)
    return _finding(holding, "removed", _done(partial(remove, storage, holding))) if waited else None


def _waited(mark: Stored, wait: timedelta, now: datetime) -> bool:
    return not wait or now - mark.at >= wait


def _has_named_digest(ledger: Ledger, holding: Holding, found: Named) -> bool:
    """Whether its result is named by its digest alone."""
    if not holding.has_result:
        return False
    result = ledger.result(holding.key, holding.generation)
    return result is not None and result.digest in found.digests


def _finding(holding: Holding, step: str, act: Callable[[], bool]) -> Finding:
    kind = Kind.RESULT if holding.has_result or _held_a_result(holding) else Kind.ATTEMPT
    size = sum(stored.bytes for stored in holding.contents.values())
    return Finding(kind, holding.folder, step, size, len(holding.contents), step == "removed", act)


def _held_a_result(holding: Holding) -> bool:
    return WITHDRAWN in holding.files and any(name.startswith("a") and name[1:2].isdigit() for name in holding.files)


def _done(act: Callable[[], None]) -> Callable[[], bool]:
    def done() -> bool:
        act()
        return True

    return done


def _spent(
    ledger: Ledger, control: ControlStore, there: Mapping[Place, Holding], bounds: Bounds, now: datetime
) -> Iterator[Finding]:
    """Of trainings that are done: what another attempt would have gone on from, and spools that the tracking server has."""
    registered = {ref.uri for _, _, name, ref in references(control) if name == "train"}
    for holding in there.values():
        stored = holding.files.get(RESULT)
        if stored is None or COLLECTED in holding.files or now - stored.at < bounds.older_than:
            continue
        if checkpoints := {**holding.below(CHECKPOINTS), **holding.below(ROWS)}:
            yield _files(ledger, holding, Kind.CHECKPOINTS, checkpoints)
        if (metrics := holding.batches) and f"{holding.folder}/{RESULT}" in registered:
            yield _files(ledger, holding, Kind.METRICS, metrics)


def _files(ledger: Ledger, holding: Holding, kind: Kind, files: Mapping[str, Stored]) -> Finding:
    def act() -> bool:
        for name in sorted(files):
            ledger.storage.delete(f"{holding.folder}/{name}")
        return True

    size = sum(stored.bytes for stored in files.values())
    return Finding(kind, f"{holding.folder}/{kind}", "removed", size, len(files), True, act)


def digest_of_kept(ledger: Ledger, control: ControlStore) -> dict[str, str]:
    """Every result that the control store names, with all it was made from: its place, and its digest; for who compares."""
    there = holdings(ledger.storage)
    found = named(control, ledger.storage)
    kept = with_inputs(ledger, found.places, there, found.released)
    return {
        f"ledger/{key}/g{generation}": json.loads(ledger.storage.read(f"ledger/{key}/g{generation}/{RESULT}"))["digest"]
        for key, generation in sorted(kept)
        if (key, generation) in there and there[key, generation].has_result
    }
