"""What is searched: the network of `flight_delay` on a sample of two months of its rows, as the step `tune` would search it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases.later_month import kept_rows
from include.core.spec.search import Float, Integer, Search
from include.core.storage import LocalStorage
from include.demo import flights
from include.model_contract.encoder import Encoder
from include.models.flight_delay.spec import SPEC
from include.problems.of import of_spec, params_of, signature_of
from include.training.search.engine import Engine
from include.training.search.leg import Material, run_leg
from include.training.search.records import Found, Leg, Records
from include.training.search.schedulers import scheduler_of
from include.training.search.suggest import suggester
from include.training.search.trials import Trials
from include.training.split import split_newest
from include.training.train_step import encoded_rows

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 30)
EPOCHS = 9  # of a whole fit: rungs of 1, 3 and 9
PARAMS: dict[str, Any] = {
    "epochs": EPOCHS, "batch_size": 512, "learning_rate": 2e-3, "hidden": 96, "dropout": 0.2, "bins": 16,
    "checkpoint_every": 1_000_000,
}  # fmt: skip
SPACE = {
    "learning_rate": Float(low=1e-5, high=1e-1, log=True, points=4),
    "dropout": Float(low=0.0, high=0.6, points=3),
    "hidden": Integer(low=16, high=192, log=True),
    "bins": Integer(low=4, high=32, log=True),
}
TRIALS = 24
BUDGET = TRIALS * EPOCHS
GRID = {  # 4 x 3 x 2 points, as somebody would write them down
    **{name: SPACE[name] for name in ("learning_rate", "dropout")},
    "hidden": Integer(low=48, high=144, step=96),
}


def material(root: Path, rows: int, seed: int) -> Material:
    """A sample of so many rows, in order, split as `tune` splits them; its fits have that seed."""
    root.mkdir(parents=True, exist_ok=True)
    flights.land(LocalStorage(root), date(2013, 2, 15), date(2013, 5, 1))
    table = kept_rows(SPEC.name, root, FIRST, LAST, package="include.models")
    chosen = np.sort(np.random.default_rng(0).choice(table.num_rows, min(rows, table.num_rows), replace=False))
    older, newer = split_newest(table.take(chosen))
    encoder, problem = Encoder.fit(older, SPEC.features.inputs, SPEC.label, "tensor"), of_spec(SPEC)
    signature = {**encoder.to_json(), **signature_of(params_of(SPEC))}
    train, validation = (encoded_rows(encoder, each, SPEC.label, problem) for each in (older, newer))
    return Material(train, validation, signature, SPEC.training.fit, seed, "log_loss", EPOCHS)


def reseeded(given: Material, seed: int) -> Material:
    return replace(given, seed=seed)


@dataclass
class Timed:
    """Runs legs here, and keeps what each cost in processor time."""

    material: Material
    records: Records
    seconds: list[float] = field(default_factory=list)  # leg by leg

    def submit(self, leg: Leg) -> None: ...

    def result(self, leg: Leg) -> Found:
        began = time.process_time()
        found = run_leg(leg, self.material, self.records)
        self.seconds.append(time.process_time() - began)
        return found


@dataclass(frozen=True)
class Point:
    """What was best once so much was spent: of trials that were fitted to their end."""

    epochs: int
    seconds: float
    loss: float


@dataclass
class Run:
    """One search, and its way."""

    trials: Trials
    way: list[Point]
    seconds: float

    @property
    def loss(self) -> float:
        return self.way[-1].loss if self.way else float("inf")

    def within(self, seconds: float) -> float:
        """The best loss that was known after so many seconds."""
        return min((point.loss for point in self.way if point.seconds <= seconds), default=float("inf"))

    def beaten(self, loss: float) -> float:
        """After how many seconds a loss was beaten."""
        return next((point.seconds for point in self.way if point.loss < loss), float("inf"))


def searched(search: Search, given: Material, folder: Path) -> Run:
    records = Records(LocalStorage(folder), "search")
    executor = Timed(given, records)
    way: list[Point] = []

    def heard(trials: Trials, _: object) -> None:
        whole = [trial.loss for trial in trials if trial.reached >= EPOCHS and not trial.error]
        if whole and (not way or min(whole) < way[-1].loss):
            spent = sum(leg.until - leg.start for trial in trials for leg, found in trial.legs if found is not None)
            way.append(Point(spent, sum(executor.seconds), min(whole)))

    engine = Engine(search, scheduler_of(search, EPOCHS), suggester(search, PARAMS), records, executor, Trials(EPOCHS), heard)
    return Run(engine.run(), way, sum(executor.seconds))
