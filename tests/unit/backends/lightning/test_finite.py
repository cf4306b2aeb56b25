"""A fit that diverges ends at its step, with no number of it in a checkpoint, and is not tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightning.plan import Course, Place, Plan
from include.core.errors import DivergedError, PermanentError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows
from tests.support.later import Later

pytestmark = pytest.mark.lives  # torch takes seconds to import

lightning = Later("include.backends.lightning.fit")
networks = Later("tests.unit.backends.lightning.networks")

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(80, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
PLAN = Plan(tuple(Input(name) for name in "abc"), {}, Course(80, 16, 3, 7), checkpoint_every=2)  # 5 batches an epoch


def fit(store: CheckpointStore, training_step: Any) -> None:
    kind = type("Net", (networks.Net,), {"training_step": training_step})
    data = lightning.Data(Rows(X, Y), Rows(X[:20], Y[:20]))
    lightning.fit_here(PLAN, lambda plan, features: kind([]), data, lightning.Kept(store), Place())


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(LocalStorage(str(tmp_path)), "c")


def at(step: int, what: Any) -> Any:
    """A training step whose loss is `what(loss, module)` from that step of the fit on."""
    done = [0]

    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        done[0] += 1
        loss = self.loss(batch)
        return what(loss, self) if done[0] == step else loss

    return training_step


@pytest.mark.thorough
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_no_number_ends_the_fit_with_its_step_epoch_and_learning_rate(
    number: float, store: CheckpointStore
) -> None:
    with pytest.raises(DivergedError, match=rf"diverged at step 8, batch 3 of epoch 2: the loss is {number}") as raised:
        fit(store, at(8, lambda loss, module: loss * number))
    assert isinstance(raised.value, PermanentError)
    assert raised.value.seen == {"step": 8, "epoch": 2, "learning rate": "0.1"}
    assert store.steps()[-1] == 6  # of every second batch, and the epoch's end
    found = store.newest()
    assert found is not None
    assert found[0] < 8


def test_a_gradient_that_overflows_leaves_no_checkpoint_to_go_on_from(store: CheckpointStore) -> None:
    """The loss of its batch is a number still, and the next loss would come after the checkpoint."""

    def overflow(loss: Any, module: Any) -> Any:
        module.l.weight.register_hook(lambda gradient: gradient * float("inf"))
        return loss

    with pytest.raises(DivergedError, match=r"at step 2, .*l\.weight hold"):
        fit(store, at(2, overflow))
    assert store.steps() == []


def test_weights_that_the_last_batch_broke_are_no_model(store: CheckpointStore) -> None:
    def overflow(loss: Any, module: Any) -> Any:
        module.g.weight.register_hook(lambda gradient: gradient * float("nan"))
        return loss

    with pytest.raises(DivergedError, match=r"g\.weight hold"):
        fit(store, at(15, overflow))
    assert store.load("history.json") is None
    assert store.load("model.onnx") is None


def test_a_batch_without_a_loss_is_no_divergence(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.backends.lightning.fit.export", lambda model, inputs, path, outputs: path.write_bytes(b"onnx"))
    fit(store, at(3, lambda loss, module: None))
    assert store.load("history.json") is not None
