"""A fit that is resumed on another number of workers: the same rows in the same order; and a sample of the kill series."""

from __future__ import annotations

import logging
import os
import signal
import socket
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.checkpoints import data, plan, series
from include.backends.lightning.plan import Course, Place, Plan
from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.spool import MetricSpool
from tests.support.later import Later

checkpoint, lightning_data = Later("include.backends.lightning.checkpoint"), Later("include.backends.lightning.data")

FORK = get_context("fork")
DIES_AT = 12


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    """Imported once, before the workers are forked."""
    import_module("include.backends.lightning.fit")


def work(folder: Path, place: Place, port: int, dies: bool, planned: Plan) -> None:
    """One worker of a fit by gloo, as Ray starts it; rank 0 is killed after a checkpoint if it `dies`."""
    import torch

    from include.backends.lightning import fit as lightning_fit
    from include.backends.lightning.shares import SharedDDP, factor
    from include.models.flight_delay.train import build

    folder.mkdir(exist_ok=True)
    logging.basicConfig(filename=folder / "log", force=True)
    storage = LocalStorage(folder)
    kept = lightning_fit.Kept(CheckpointStore(storage, "checkpoints"), MetricSpool(storage, "metrics"))
    trainer: dict[str, Any] = {}
    if place.world > 1:
        ours = {"RANK": place.rank, "LOCAL_RANK": place.rank, "WORLD_SIZE": place.world, "GROUP_RANK": 0}
        ours |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_WORLD_SIZE": place.world}
        os.environ.update({name: str(value) for name, value in ours.items()})
        os.environ.update(TORCHELASTIC_RUN_ID="t", GLOO_SOCKET_IFNAME="lo")
        torch.distributed.init_process_group("gloo", rank=place.rank, world_size=place.world)
        trainer = {"strategy": SharedDDP(factor(planned.course, place)), "devices": place.world}
    if dies and place.rank == 0:
        save = CheckpointStore.save_step

        def save_and_die(store: CheckpointStore, step: int, content: bytes) -> None:
            save(store, step, content)
            if step == DIES_AT:
                os.kill(os.getpid(), signal.SIGKILL)

        CheckpointStore.save_step = save_and_die  # type: ignore[method-assign]
    lightning_fit._leave = lambda *_: None  # type: ignore[assignment]
    rows = lightning_fit.Data(data(planned.course.rows, 1), data(64, 2))
    lightning_fit.fit_here(planned, build, rows, kept, place, **trainer)


def fit(folder: Path, world: int, dies: bool = False, planned: Plan | None = None) -> None:
    """Each worker in a process of its own; they end when rank 0 does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workers = [
        FORK.Process(target=work, args=(folder, Place(rank, world), port, dies, planned or plan())) for rank in range(world)
    ]
    for worker in workers:
        worker.start()
    workers[0].join(120)
    assert workers[0].exitcode == (-signal.SIGKILL if dies else 0)
    for worker in workers[1:]:
        if dies:
            worker.kill()
        worker.join(60)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_fit_goes_on_with_another_number_of_workers(before: int, after: int, tmp_path: Path) -> None:
    fit(tmp_path, before, dies=True)
    fit(tmp_path, after)
    said = (tmp_path / "log").read_text()
    assert f"resumed at step {DIES_AT} of 30" in said
    assert f"resumed on {after} worker(s) from a checkpoint of {before}" in said
    found = CheckpointStore(LocalStorage(tmp_path), "checkpoints").newest()
    assert found is not None
    state = checkpoint.read_state(found[1])
    assert (state["step"], state["world"]) == (30, after)
    assert [row["step"] for row in state["history"]] == [10, 20, 30]
    spooled = [
        row[0] for _, batch in MetricSpool(LocalStorage(tmp_path), "metrics").read() for row in batch if "step_loss" in row[2]
    ]
    assert sorted(spooled) == list(range(1, 31))


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_evenly_gives_the_weights_of_one_worker(tmp_path: Path) -> None:
    """33 rows on two workers, without dropout: the same gradients in each of 30 steps of Adam, but for rounding."""
    whole = plan()
    params, course = {**whole.params, "dropout": 0.0}, replace(whole.course, rows=330, batch_size=33)
    uneven = replace(whole, params=params, course=course)
    weights, losses = [], []
    for world in (1, 2):
        fit(tmp_path / str(world), world, planned=uneven)
        found = CheckpointStore(LocalStorage(tmp_path / str(world)), "checkpoints").newest()
        assert found is not None
        state = checkpoint.read_state(found[1])
        assert (state["step"], state["world"]) == (30, world)
        weights.append(np.concatenate([value.numpy().ravel() for value in state["trainer"]["state_dict"].values()]))
        losses.append([row["train_loss"] for row in state["history"]])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_the_workers_of_a_step_see_its_rows_together_whatever_their_number() -> None:
    course = Course(rows=320, batch_size=32, epochs=3, seed=7)
    for start in (0, 7, 13):
        alone = [set(batch.tolist()) for batch in lightning_data.batches(course, start, Place())]
        shared = [[set(batch.tolist()) for batch in lightning_data.batches(course, start, Place(rank, 2))] for rank in (0, 1)]
        assert [a | b for a, b in zip(*shared, strict=True)] == alone
        assert all(len(a) == len(b) == 16 for a, b in zip(*shared, strict=True))


def test_a_batch_of_which_a_worker_would_have_no_row_is_refused(tmp_path: Path) -> None:
    rows, store = data(100, 1), CheckpointStore(LocalStorage(tmp_path), "c")
    job = TrainingJob(rows, rows, {"inputs": []}, {"epochs": 1, "batch_size": 3}, store, tmp_path / "m", workers=4)
    with pytest.raises(SpecError, match="A batch of 3 rows cannot be shared by 4 workers"):
        Plan.of(job)
    assert Plan.of(TrainingJob(rows, rows, {"inputs": []}, {"epochs": 1, "batch_size": 33}, store, tmp_path / "m", workers=2))


@pytest.mark.slow
def test_kills_and_bit_flips_make_no_bad_resume(capsys: pytest.CaptureFixture[str]) -> None:
    """A sample of `python -m benchmarks.checkpoints`."""
    counts = series(3, first=int(np.random.default_rng().integers(1000, 1_000_000)))
    assert (counts["trials"], counts["bad"]) == (3, 0), capsys.readouterr().out
