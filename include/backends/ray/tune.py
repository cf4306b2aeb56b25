"""The trials of a search on a Ray cluster, by Ray Tune: it places them, keeps actors warm, begins anew what a lost node ran.

What runs next is not Ray Tune's to say. Its own searchers and schedulers decide as results arrive, so a search that was killed
would go on otherwise than one that was not. Here each leg is one trial of Ray Tune; a searcher hands out the legs that the search
has decided on, in their order, and what a leg comes to is recorded by the actor that ran it (docs/adr/0062).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from include.backends.ray import on_node
from include.backends.ray.scaling import Reservation
from include.backends.ray.train import attach
from include.core import code_check
from include.core.author import as_slipstream_error, describe
from include.core.digest import Code
from include.core.errors import JobFailedError
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.training.search.leg import Material, run_leg
from include.training.search.pool import killed
from include.training.search.records import Found, Leg, Records

log = logging.getLogger(__name__)

LOST = 2  # times that a leg is begun anew where its actor or node was lost
MEASURE = "ended"  # what Ray Tune is told of a leg: what it came to is in the record
WAIT = 1.0  # seconds between two looks at whether Ray Tune still runs


@dataclass(frozen=True)
class Shared:
    """What every actor takes from the object store, where it lies once a node."""

    material: Material
    root: str
    folder: str
    code: Code | None


class LegTrainable(tune.Trainable):  # type: ignore[misc]
    """An actor that runs one leg after another (`reuse_actors`)."""

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        on_node.require_same_code(shared.code)  # it may be another node than the driver's
        storage = Settings(root=shared.root, environ=on_node.environment()).storage()
        self._material, self._records = shared.material, Records(storage, shared.folder)

    def step(self) -> dict[str, Any]:
        leg = Leg(**self.config["leg"])
        try:
            run_leg(leg, self._material, self._records)
        except Exception as error:  # noqa: BLE001 - its class may be known to this actor alone: one of ours crosses over
            return {"done": True, MEASURE: 0.0, "error": as_slipstream_error(error)}
        return {"done": True, MEASURE: 0.0}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.config = new_config
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a leg has its own checkpoints, in the storage."""

    def load_checkpoint(self, checkpoint: Any) -> None: ...


class Lost(Exception):
    """The actor of a leg was lost each time that it was begun."""


class Legs(Searcher):  # type: ignore[misc]
    """Hands out the legs that were decided on, and keeps what became of them."""

    def __init__(self) -> None:
        super().__init__(metric=MEASURE, mode="min")
        self.waiting: queue.SimpleQueue[Leg] = queue.SimpleQueue()
        self.over = threading.Event()
        self._given: dict[str, str] = {}
        self.ended: dict[str, Exception | None] = {}  # by the key of the leg
        self.changed = threading.Condition()

    def suggest(self, trial_id: str) -> Any:
        try:
            leg = self.waiting.get_nowait()
        except queue.Empty:
            return Searcher.FINISHED if self.over.is_set() else None
        self._given[trial_id] = leg.key
        return {"leg": {**vars(leg)}}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        failed = (result or {}).get("error")
        if error and failed is None:
            failed = Lost()
        with self.changed:
            self.ended[self._given[trial_id]] = failed
            self.changed.notify_all()

    def __reduce__(self) -> tuple[type[Legs], tuple[()]]:
        return Legs, ()  # Ray Tune writes itself down; a search is resumed from its records instead

    def save(self, checkpoint_path: str) -> None: ...

    def restore(self, checkpoint_path: str) -> None: ...


@dataclass
class Tuned:
    """The executor: Ray Tune in a thread beside the search."""

    records: Records
    legs: Legs
    thread: threading.Thread
    failure: list[BaseException]
    _begun: set[str] = field(default_factory=set, init=False)

    def submit(self, leg: Leg) -> None:
        if leg.key not in self._begun and self.records.found(leg.key) is None:
            self._begun.add(leg.key)
            self.legs.waiting.put(leg)

    def result(self, leg: Leg) -> Found:
        standing = self.records.found(leg.key)
        if standing is not None:
            return standing
        self.submit(leg)
        with self.legs.changed:
            while leg.key not in self.legs.ended:
                self._require_alive()
                self.legs.changed.wait(WAIT)
            failed = self.legs.ended.pop(leg.key)
        self._begun.discard(leg.key)
        if isinstance(failed, Lost):
            return self.records.find(leg.key, Found(None, 0, [], 0.0, f"{killed(leg)}"))
        if failed is not None:
            raise failed
        found = self.records.found(leg.key)
        if found is None:
            raise JobFailedError("A trial ended without a record of what it came to.", seen=leg.key, safe="all records are kept.")
        return found

    def _require_alive(self) -> None:
        if not self.thread.is_alive():
            cause = f": {describe(self.failure[0])}" if self.failure else ""
            raise JobFailedError(f"Ray Tune has ended before the search{cause}.", safe="what is found and decided is kept.")


@contextmanager
def open_executor(material: Material, records: Records, concurrent: int) -> Iterator[Tuned]:
    """Trials on the cluster at RAY_ADDRESS. Raises UnreachableError without one."""
    attach()
    with scratch_folder() as folder:
        legs, failure = Legs(), list[BaseException]()
        tuner = _tuner(material, records, concurrent, legs, str(folder))
        thread = threading.Thread(target=_run, args=(tuner, failure), name="ray-tune", daemon=True)
        executor = Tuned(records, legs, thread, failure)
        thread.start()
        try:
            yield executor
        finally:
            legs.over.set()
            thread.join(timeout=60)


def _tuner(material: Material, records: Records, concurrent: int, legs: Legs, folder: str) -> Any:
    shared = Shared(material, records.storage.root, records.folder, code_check.checked())
    room = tune.PlacementGroupFactory([dict(each) for each in Reservation.of(material.needs.resources, 1).bundles])
    trainable = tune.with_resources(tune.with_parameters(LegTrainable, shared=shared), room)
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=legs, num_samples=-1, max_concurrent_trials=concurrent, reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=folder,
            failure_config=tune.FailureConfig(max_failures=LOST),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[],
            verbose=0,
        ),
    )  # fmt: skip


def _run(tuner: Any, failure: list[BaseException]) -> None:
    try:
        tuner.fit()
    except BaseException as error:  # noqa: BLE001 - told to the search's own thread
        failure.append(error)
