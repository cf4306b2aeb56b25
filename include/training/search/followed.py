"""The trials of a search as they go on, each with a spool of its own, so that a server of runs can show them: one run each.

    {metrics}/...                 of the search as a whole: the best so far, by the epochs that all trials have trained
    {metrics}/trials/00003/...    of a trial: what its fit told by epoch, and the metric at each rung
                          params  what it began with

What was heard once is in the spool; to hear it again, in a replay, adds nothing (include/training/spool.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from include.core.adapters import ADAPTERS, adapter
from include.core.digest import canonical_json
from include.core.errors import PermanentError
from include.core.settings import Settings
from include.core.storage import Storage
from include.core.task import Task
from include.problems.metric import Metric
from include.training.search.trials import Trial, Trials
from include.training.search.value import told
from include.training.spool import MetricSpool
from include.training.tracking import tracked

Heard = Callable[[Trials, Trial], None]

BEST, RUNG = "best", "rung"  # names of metrics


@contextmanager
def followed(task: Task, metric: Metric) -> Iterator[Heard]:
    """Hears of each finding, and delivers it while the body runs, where the registry's server can take it.

    The search never waits for the server, and never fails for it. `slipstream search MODEL --deliver` brings what was not taken.
    """
    spools = Spools(task.storage, task.attempt.metrics, metric)
    with tracked(task.settings, task.storage, task.attempt.metrics, task.request.model, "search"):
        yield spools.hear


def deliver(settings: Settings, storage: Storage, folder: str, model: str) -> int:
    """Bring the registry's server what it lacks of a search's runs; returns how many metrics that were.

    Raises UnreachableError, and PermanentError where the registry shows no runs, or refuses.
    """
    name = f"search.{settings.registry}.deliver"
    if name not in ADAPTERS:
        raise PermanentError(
            f"The registry {settings.registry!r} shows no runs of trials.",
            safe="nothing was sent.",
            hint="it is chosen by SLIPSTREAM_REGISTRY.",
        )
    sender: Callable[[Settings, Storage, str, str], int] = adapter(name)
    return sender(settings, storage, folder, model)


def trial_folder(folder: str, number: int) -> str:
    return f"{folder}/trials/{number:05d}"


def trial_numbers(storage: Storage, folder: str) -> list[int]:
    """Of the trials that have a folder there, rising."""
    below = f"{folder}/trials"
    return sorted({int(path.removeprefix(f"{below}/").partition("/")[0]) for path in storage.list(below)})


@dataclass(frozen=True)
class Spools:
    storage: Storage
    folder: str
    metric: Metric

    def hear(self, trials: Trials, trial: Trial) -> None:
        """Write down what a trial's last leg came to, durably."""
        folder = trial_folder(self.folder, trial.number)
        self.storage.create(f"{folder}/params", canonical_json(trial.legs[0][0].params))
        leg, found = trial.legs[-1]
        assert found is not None
        rows = [(int(row.get("epoch", row.get("step", 0))), _numbers(row)) for row in found.history]
        if found.value is not None:
            rows.append((leg.until, {RUNG: told(found.value, self.metric)}))
        self._append(folder, rows)
        if trials.curve:
            epochs, loss = trials.curve[-1]
            self._append(self.folder, [(epochs, {BEST: told(loss, self.metric)})])

    def _append(self, folder: str, rows: list[tuple[int, dict[str, float]]]) -> None:
        spool = MetricSpool(self.storage, folder)
        for step, metrics in rows:
            if metrics:
                spool.append(metrics, step)
        spool.close()


def _numbers(row: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name not in ("step", "epoch") and math.isfinite(float(value))}
