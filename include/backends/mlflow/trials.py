"""The trials of a search as runs of MLflow: one a trial, children of the search's own, each metric exactly once.

They stand on the same spools and marks as a training's run (include/backends/mlflow/tracking.py): what a killed search had sent
is not sent again, and what an outage kept back is delivered by the next attempt, or by `slipstream search MODEL --deliver`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from include.backends.mlflow.names import parts
from include.backends.mlflow.rest import open_rest
from include.backends.mlflow.tracking import TRAINING, Delivery, delivering, now
from include.core.settings import Settings
from include.core.storage import Storage
from include.training.search.followed import trial_folder, trial_numbers

PARENT = "mlflow.parentRunId"  # tag by which MLflow's page puts a run below another
MOST_PARAMS = 100  # in one call


@dataclass
class _Trial(Delivery):
    """The run of one trial."""

    parent: str = ""
    name: str = ""
    _described: bool = field(default=False, init=False)

    def _find(self) -> None:
        super()._find()
        if not self._mark and not self._described:  # before its first metric, so that no kill leaves it without
            self._describe()

    def _create(self, experiment: str) -> str:
        tags = {TRAINING: self.folder, PARENT: self.parent}
        return self.rest.create_run(experiment, self.name, tags, now())

    def _describe(self) -> None:
        params = json.loads(self.storage.read(f"{self.folder}/params"))
        named = [item for key, value in sorted(params.items()) for item in parts(key, str(value)).items()]
        for start in range(0, len(named), MOST_PARAMS):
            self.rest.log_params(self._run, dict(named[start : start + MOST_PARAMS]))
        self._described = True


@dataclass
class _Search(Delivery):
    """The run of the search, and those of its trials."""

    _trials: dict[int, _Trial] = field(default_factory=dict, init=False)

    def deliver(self) -> int:
        """Send what the runs lack; returns how many metrics that were. Raises UnreachableError, PermanentError."""
        sent = super().deliver()
        parent = self.run()
        if not parent:
            return sent
        return sent + sum(trial.deliver() for trial in self._known(parent))

    def finish(self) -> None:
        super().finish()
        for trial in self._trials.values():
            trial.finish()

    def _create(self, experiment: str) -> str:
        return self.rest.create_run(experiment, f"{self.model} search", {TRAINING: self.folder}, now())

    def _known(self, parent: str) -> Iterator[_Trial]:
        for number in trial_numbers(self.storage, self.folder):
            if number not in self._trials:
                name, folder = f"{self.model} trial {number}", trial_folder(self.folder, number)
                self._trials[number] = _Trial(self.rest, self.storage, folder, self.model, parent, name)
            yield self._trials[number]


@contextmanager
def tracking(settings: Settings, storage: Storage, folder: str, model: str) -> Iterator[None]:
    """Deliver a search's spools while the body runs, from a thread: it never waits for the server, and never fails for it."""
    with delivering(_Search(open_rest(settings), storage, folder, model)):
        yield


def deliver(settings: Settings, storage: Storage, folder: str, model: str) -> int:
    """Send what the runs of a search lack; returns how many metrics that were. Raises UnreachableError, PermanentError."""
    search = _Search(open_rest(settings), storage, folder, model)
    sent = search.deliver()
    search.finish()
    return sent
