"""Live tracking: the metrics of a training's spool, shown by MLflow while it runs, each exactly once.

One run a training (key and generation), found by its tag; of several that a race or a lost answer made, the
storage decides by exclusive create, and the others, which hold nothing, are deleted. How far the spool was
delivered is a tag of the run, written after the metrics it speaks of: a kill in between sends equal rows again,
and MLflow keeps a metric of equal name, step, time and value once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from include.backends.mlflow.names import encoded, whole_names
from include.backends.mlflow.rest import MAX_METRICS, MlflowRest, open_rest
from include.core.errors import PermanentError, SlipstreamError, TransientError, one_line
from include.core.settings import Settings
from include.core.storage import Storage
from include.training.spool import MetricSpool

log = logging.getLogger(__name__)

TRAINING = "slipstream.training"  # tag of a run: the folder of its spool in the ledger, one a key and generation
DELIVERED = "slipstream.delivered"  # tag of a run: the last batch of the spool that is in it

Metric = tuple[str, float, int, int]  # name, value, milliseconds, step


@dataclass
class Delivery:
    """Brings a spool's batches to its run. `deliver` may be called at any time, by any number of processes."""

    rest: MlflowRest
    storage: Storage
    folder: str
    model: str
    _run: str = field(default="", init=False)
    _mark: int = field(default=0, init=False)

    def deliver(self) -> int:
        """Send what the run lacks; returns how many metrics that were. Raises UnreachableError, PermanentError."""
        sent, reached = 0, self._mark
        waiting: list[Metric] = []
        for number, rows in MetricSpool(self.storage, self.folder).read(self._mark):
            self._find()
            if number <= self._mark:  # another process, or this training's attempt before, was here
                continue
            waiting += [(name, value, at, step) for step, at, metrics in rows for name, value in metrics.items()]
            while len(waiting) > MAX_METRICS:
                self._send(waiting[:MAX_METRICS], number - 1)  # a piece holds the rest of every batch before this one
                sent, waiting = sent + MAX_METRICS, waiting[MAX_METRICS:]
            reached = number
        if reached > self._mark:
            self._send(waiting, reached)
        return sent + len(waiting)

    def _send(self, metrics: list[Metric], whole: int) -> None:
        """Metrics, after which every batch up to `whole` is in the run."""
        named = [(encoded(name), value, at, step) for name, value, at, step in metrics]
        self.rest.log_batch(self._run, named, {DELIVERED: str(whole), **whole_names({name for name, *_ in metrics})})
        self._mark = whole

    def finish(self) -> None:
        """Mark the run as over. Its metrics may still be added to."""
        if self._run:
            self.rest.finish_run(self._run, now())

    def run(self) -> str:
        """The run's id; empty if nothing was ever spooled."""
        if not self._run and self.storage.exists(f"{self.folder}/{1:09d}"):
            self._find()
        return self._run

    def _find(self) -> None:
        if self._run:
            return
        experiment = self.rest.experiment(self.model)
        # What is named first, then what is there: a run is there before it is named, so one that is missing by then is gone.
        held = self.storage.read(self._name).decode() if self.storage.exists(self._name) else ""
        marks = {str(run["info"]["run_id"]): _mark_of(run) for run in self.rest.runs(experiment, TRAINING, self.folder)}
        chosen = self._choose(experiment, held, marks)
        for other in marks.keys() - {chosen}:
            if not marks[other]:
                self._discard(other)
        self._run, self._mark = chosen, marks.get(chosen, 0)

    @property
    def _name(self) -> str:
        """The file that names the run."""
        return f"{self.folder}/run"

    def _choose(self, experiment: str, held: str, marks: Mapping[str, int]) -> str:
        """The one run that counts: named in the storage, by whoever was first.

        A run that holds metrics and is not named here is another store's, which has trained the same: it is left alone.
        """
        if held in marks:
            return held
        found = [run for run, mark in marks.items() if not mark]
        mine = found[0] if found else self._create(experiment)
        if held:  # named, and gone from the server: deleted there, or the server is a new one
            self.storage.write(self._name, mine.encode())
            return mine
        if self.storage.create(self._name, mine.encode()):
            return mine
        winner = self.storage.read(self._name).decode()
        if mine not in (winner, *found):
            self._discard(mine)
        return winner

    def _discard(self, run: str) -> None:
        """Delete an empty run. An account that may only log leaves it: registration, which may, comes by here as well."""
        with suppress(PermanentError):
            self.rest.delete_run(run)

    def _create(self, experiment: str) -> str:
        return self.rest.create_run(experiment, f"{self.model} in training", {TRAINING: self.folder}, now())


def _mark_of(run: Mapping[str, Any]) -> int:
    """The last batch of the spool that is in a run."""
    tags = {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", [])}
    return int(tags.get(DELIVERED, "0"))


@contextmanager
def tracking(settings: Settings, storage: Storage, folder: str, model: str) -> Iterator[None]:
    """Deliver a spool while the body runs, from a thread. The body never waits for the server, and never fails for it."""
    with delivering(Delivery(open_rest(settings), storage, folder, model)):
        yield


@contextmanager
def delivering(delivery: Delivery) -> Iterator[None]:
    """Deliver again and again while the body runs, and once more where it ends well."""
    live = Live(delivery)
    live.start()
    try:
        yield
    except BaseException:
        live.stop()
        raise
    live.stop()
    live.settle()


class Live(threading.Thread):
    """A thread. Delivers again and again; waits longer each time nobody answers."""

    EVERY, LONGEST = 5.0, 30.0  # seconds
    LAST = 10.0  # seconds for what is left at the end: what takes longer, registration delivers

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(name="metric-delivery", daemon=True)
        self._delivery, self._over, self._told = delivery, threading.Event(), False

    def run(self) -> None:
        wait = self.EVERY
        while not self._over.wait(wait):
            try:
                self._delivery.deliver()
                wait, self._told = self.EVERY, False
            except TransientError as error:
                self._tell(error)
                wait = min(wait * 2, self.LONGEST)
            except (PermanentError, OSError) as error:
                self._tell(error)
                return

    def stop(self) -> None:
        self._over.set()
        self.join(self.LAST)

    def settle(self) -> None:
        """Once more, now that the spool is whole."""
        if self.is_alive():
            log.warning("metrics wait in the spool: MLflow has been answering for more than %.0f s", self.LAST)
            return
        last = threading.Thread(target=self._settle, name="metric-delivery", daemon=True)
        last.start()
        last.join(self.LAST)

    def _settle(self) -> None:
        try:
            self._delivery.deliver()
            self._delivery.finish()
        except (SlipstreamError, OSError) as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._told:
            log.warning("metrics wait in the spool: %s", one_line(error))
        self._told = True


def now() -> int:
    """Milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000
