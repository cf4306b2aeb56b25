"""Several workers share a model out: they are killed at each place of a checkpoint, and go on, as many or not."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.checkpoints import data, plan
from benchmarks.sharded.workers import Asked, fit
from include.backends.lightning.plan import SCORES
from include.core.fault import Fault
from include.models.flight_delay.train import build
from include.training.job import Rows
from tests.support.later import Later

rows, state_file = Later("include.backends.lightning.sharded.rows"), Later("include.backends.lightning.state_file")
onnxruntime = Later("onnxruntime")


def given() -> tuple[Rows, Rows]:
    return data(plan().course.rows, 1), data(64, 2)


def asked(folder: Path, world: int = 2, strategy: str = "fsdp", **more: Any) -> Asked:
    return Asked(folder, replace(plan(), strategy=strategy), build, given, world, **more)


def trained(fitted: Asked) -> dict[str, bytes]:
    """The weights of the finished fit."""
    found = fitted.store.newest()
    assert found is not None
    state = state_file.read_state(found[1])
    assert state["done"]
    if "shards" not in state:
        return {name: value.numpy().tobytes() for name, value in state["trainer"]["state_dict"].items()}
    whole: dict[str, Any] = dict(state["trainer"]["state_dict"])
    filled = rows.Filled()
    import torch

    for name, (shape, _) in state["layout"]["weights"].items():
        whole[name] = torch.zeros(shape)
        filled.want("weight", name, 0, whole[name])
    filled.read(fitted.store, state)
    return {name: value.numpy().tobytes() for name, value in whole.items()}


def finish(fitted: Asked) -> dict[str, bytes]:
    codes, _ = fit(fitted)
    assert codes == [0] * fitted.world, (fitted.folder / "said-0.txt").read_text()[-2000:]
    return trained(fitted)


@pytest.mark.slow
@pytest.mark.whole
def test_a_shared_fit_that_is_killed_ends_as_the_undisturbed_one_and_as_ddp(tmp_path: Path) -> None:
    whole = finish(asked(tmp_path / "whole"))
    assert whole == finish(asked(tmp_path / "ddp", strategy="ddp"))
    for number, (point, struck) in enumerate(
        [("checkpoint.shard", 1), ("checkpoint.shard", 0), ("checkpoint.shards", 0), ("checkpoint.saved", 0), ("train.step", 1)]
    ):
        folder = tmp_path / str(number)
        killed = asked(folder, fault=Fault(point, "kill", skip=4, mark=str(folder / "mark")), struck=struck)
        codes, _ = fit(killed)
        assert codes[struck] == -signal.SIGKILL, point
        assert finish(killed) == whole, point


@pytest.mark.slow
@pytest.mark.whole
@pytest.mark.parametrize("after", [1, 3])
def test_a_shared_fit_goes_on_with_another_number_of_workers(after: int, tmp_path: Path) -> None:
    # Three workers share no batch of 32 evenly; the loader deals its rows out all the same.
    killed = asked(tmp_path, fault=Fault("train.step", "kill", skip=14, mark=str(tmp_path / "mark")))
    assert fit(killed)[0][0] == -signal.SIGKILL
    went_on = asked(tmp_path, after)
    finish(went_on)
    assert f"resumed on {after} worker(s) from a checkpoint of 2" in (tmp_path / "said-0.txt").read_text()
    model = tmp_path / "model.onnx"
    assert went_on.store.load_file("model.onnx", model)
    said = onnxruntime.InferenceSession(model).run(None, {"features": given()[1].features})[0]
    expected = np.frombuffer(went_on.store.load(SCORES) or b"", np.float32)
    np.testing.assert_allclose(said, expected, rtol=0, atol=1e-6)
