"""One leg of a trial, run by whoever has room for it: from its newest checkpoint, or its parent's weights, to its rung."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from include.core.author import as_slipstream_error, log_exception
from include.core.errors import (
    DataError,
    IntegrityError,
    JobFailedError,
    MemoryLimitError,
    PermanentError,
    SlipstreamError,
    SpecError,
    TimeLimitError,
)
from include.core.json_types import Json
from include.core.needs import Needs
from include.core.reference import load
from include.core.scratch import scratch_folder
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.rung import Rung, RungReached
from include.training.search.records import Found, Leg, Records
from include.training.train_step import verify

log = logging.getLogger(__name__)

TRIES = 2  # of a leg that dies of what may pass, such as memory: then the trial has failed


@dataclass(frozen=True)
class Material:
    """What all trials share: the encoded rows, and what is the same for each fit."""

    train: Rows
    validation: Rows
    signature: Mapping[str, Json]
    fit: str
    seed: int
    metric: str
    whole: int  # epochs of a whole fit; 0: its fit is measured at its end alone
    needs: Needs = field(default_factory=Needs)
    precision: str = "32"


class Undefined(DataError):
    """The metric has no value on the validation rows, whatever the trial."""


class Unsuitable(SpecError):
    """The fit is none that this search can use, whatever the trial."""


def run_leg(leg: Leg, material: Material, records: Records) -> Found:
    """What the leg comes to: the record of it where there is one. A fit that fails for good is a finding, too.

    Raises TransientError for what another attempt may survive, Undefined or Unsuitable for what is wrong with the whole search.
    """
    standing = records.found(leg.key)
    if standing is not None:
        return standing
    for tries_left in reversed(range(TRIES)):
        began = time.monotonic()
        try:
            value, epochs, history = _fitted(leg, material, records)
            return records.find(leg.key, Found(value, epochs, history, round(time.monotonic() - began, 3)))
        except (Undefined, Unsuitable):
            raise
        except Exception as error:  # noqa: BLE001 - of an author's code: any class
            failed = _failure(error)
            if isinstance(failed, JobFailedError) and tries_left:
                log.warning("A trial is tried again: %s", failed)
                continue
            log_exception(error)
            return records.find(leg.key, Found(None, 0, [], round(time.monotonic() - began, 3), f"{failed}"))
    raise AssertionError("unreachable")


def _failure(error: Exception) -> SlipstreamError:
    """What a trial died of. Raises what is no fault of the trial: network, disk, a store."""
    failed = as_slipstream_error(error)
    if isinstance(error, TimeLimitError) or (
        isinstance(error, SlipstreamError) and not isinstance(error, PermanentError | MemoryLimitError)
    ):
        raise error  # a store that is away; or the fit was asked to end, and left
    if not isinstance(failed, PermanentError) and _of_the_machine(error):
        raise failed from error
    if isinstance(failed, MemoryLimitError):
        return MemoryLimitError(
            failed.what,
            hint="let fewer run at once (training.search.concurrent), bound what makes a model large in training.search.space, "
            "or look at fewer rows (training.search.rows).",
        )
    return failed


def _of_the_machine(error: BaseException) -> bool:
    """Whether network or disk stand anywhere behind it."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError):
            return True
        link = link.__cause__ or link.__context__
    return False


def _fitted(leg: Leg, material: Material, records: Records) -> tuple[float, int, list[dict[str, float]]]:
    store = CheckpointStore(records.storage, records.leg_folder(leg.key))
    if leg.parent:
        _inherit(store, CheckpointStore(records.storage, records.leg_folder(leg.parent)))
    with scratch_folder() as folder:
        rung = Rung(leg.until, leg.start, leg.donor) if material.whole else None
        job = TrainingJob(
            material.train, material.validation, material.signature, dict(leg.params), store, Path(folder) / "model.onnx",
            material.seed, workers=1, rung=rung, needs=material.needs, wanted_precision=material.precision,
        )  # fmt: skip
        try:
            load(material.fit)(job)
        except RungReached:
            assert rung is not None
            _require_taken(job)
            return _loss(material, job, rung), rung.epochs, rung.history
        _require_taken(job)
        return _whole(leg, material, job)


def _require_taken(job: TrainingJob) -> None:
    try:
        job.require_taken()
    except SpecError as error:
        raise Unsuitable(error.what, seen=error.seen, safe="nothing was chosen.", hint=error.hint) from None


def _whole(leg: Leg, material: Material, job: TrainingJob) -> tuple[float, int, list[dict[str, float]]]:
    """Of a fit that knows no rungs: it is measured as any trained model is."""
    if job.rung is not None and (leg.start or leg.until < material.whole):
        raise Unsuitable(
            "The fit cannot be measured before its end, so no trial can be stopped early.",
            seen={"training.fit": material.fit},
            safe="nothing was chosen.",
            hint='fit with fit_lightning, call job.rung.reach in your own loop, or say scheduler="none".',
        )
    found = verify(job)[material.metric]
    return _defined(found, material, job), leg.until, list(job.history)


def _loss(material: Material, job: TrainingJob, rung: Rung) -> float:
    outputs, problem = rung.outputs, job.problem
    assert outputs is not None
    wrong = problem.check(outputs, len(material.validation))
    if wrong:
        raise DataError(
            f"The model's outputs of the validation rows are wrong after {rung.epochs} epochs: {wrong}.",
            hint="of a loss that is not a number: a lower learning rate, or clipped gradients.",
        )
    return _defined(problem.metric(material.metric).measured(material.validation.truth(), outputs), material, job)


def _defined(found: float | None, material: Material, job: TrainingJob) -> float:
    """The metric as a loss. Raises Undefined where it has no value."""
    metric = job.problem.metric(material.metric)
    if found is None or not math.isfinite(found):
        raise Undefined(
            f"The {metric.title} is not defined on the validation rows, so no parameters are the best.",
            seen=f"{len(material.validation)} rows",
            safe="the spec's own parameters stand.",
            hint="train without tuning, or widen training.window_days.",
        )
    return -float(found) if metric.higher_is_better else float(found)


def _inherit(store: CheckpointStore, parent: CheckpointStore) -> None:
    """Begin at the parent's last checkpoint, unless this leg has one of its own. Raises IntegrityError if it is lost."""
    if store.newest() is not None:
        return
    newest = parent.newest()
    if newest is None:
        raise IntegrityError(
            "The weights that a trial was to go on with are lost: no checkpoint matches its digest.",
            seen=parent.folder,
            hint="the trial is left out; the search goes on.",
        )
    store.save_step(*newest)
