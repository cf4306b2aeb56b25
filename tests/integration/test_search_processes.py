"""Trials that run at once, in processes and on Ray: what one process finds alone, and what is left of a killed one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from include.core.spec.search import Float, Integer, Search
from include.core.storage import LocalStorage
from include.training.job import TrainingJob
from include.training.search.engine import Engine, Executor
from include.training.search.executor import Here, opened
from include.training.search.leg import Material
from include.training.search.records import Records
from include.training.search.schedulers import scheduler_of
from include.training.search.suggest import suggester
from include.training.search.trials import Trials
from tests.support.search_example import PARAMS, material
from tests.support.warm import THREADS

pytestmark = [pytest.mark.lives, pytest.mark.thorough]  # processes that import torch

SEARCH = Search(
    space={"learning_rate": Float(low=1e-3, high=1e-1, log=True), "hidden": Integer(low=4, high=16)},
    algorithm="random", scheduler="asha", trials=6, reduction=2, concurrent=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every process: sums of floats that are equal to the last bit."""
    import torch

    torch.set_num_threads(1)
    for name, value in THREADS.items():
        monkeypatch.setenv(name, value)


def run(executor: Executor, records: Records, search: Search = SEARCH, **params: object) -> list[object]:
    whole = 4
    suggest = suggester(search, {**PARAMS, **params})
    trials = Engine(search, scheduler_of(search, whole), suggest, records, executor, Trials(whole)).run()
    return [(trial.number, trial.points, bool(trial.error)) for trial in trials]


def expected(folder: Path, given: Material) -> list[object]:
    records = Records(LocalStorage(folder), "search")
    return run(Here(given, records), records)


def test_processes_find_what_one_finds_alone(tmp_path: Path) -> None:
    given, records = material(), Records(LocalStorage(tmp_path / "pool"), "search")
    with opened(given, records, 2, tmp_path) as executor:
        assert run(executor, records) == expected(tmp_path / "alone", given)


def fit_deadly(job: TrainingJob) -> None:
    """Its process is killed wherever it is fitted with twelve units or more, and once with four."""
    from tests.support.search_example import fit_network

    mark = Path(str(job.params["mark"]))
    if int(job.params["hidden"]) >= 12 or (int(job.params["hidden"]) == 4 and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    fit_network(job)


def test_a_trial_that_kills_its_process_fails_and_the_others_go_on(tmp_path: Path) -> None:
    given, records = material(f"{__name__}:fit_deadly"), Records(LocalStorage(tmp_path / "pool"), "search")
    search = SEARCH.model_copy(update={"space": {"hidden": Integer(low=4, high=12, step=8)}, "trials": 4, "scheduler": "none"})
    with opened(given, records, 2, tmp_path) as executor:
        found = run(executor, records, search, mark=str(tmp_path / "mark"))
    failed = [number for number, _, wrong in found]  # type: ignore[misc]
    assert len(failed) == 4
    errors = [each.error for path in records.storage.list("search/found") if (each := records.found(path.rpartition("/")[2]))]
    assert any("killed each time, probably for want of memory" in error for error in errors)
    assert any(not error for error in errors)


@pytest.mark.whole  # the pool of processes, above, is held to the same values
def test_ray_tune_finds_what_one_finds_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    given, records = material(), Records(LocalStorage(tmp_path / "ray"), "search")
    context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    monkeypatch.setenv("RAY_ADDRESS", context.address_info["gcs_address"])
    try:
        with opened(given, records, 2, tmp_path) as executor:
            found = run(executor, records)
    finally:
        ray.shutdown()
    assert found == expected(tmp_path / "alone", given)
