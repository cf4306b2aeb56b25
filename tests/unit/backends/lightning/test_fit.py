"""A fit that is killed at a batch and begun again ends with the bytes of one that was not, and sees each batch once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pl = pytest.importorskip("pytorch_lightning")
import torch  # noqa: E402
from pytorch_lightning.callbacks import (  # noqa: E402
    EarlyStopping,
    GradientAccumulationScheduler,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from torch.nn.functional import binary_cross_entropy_with_logits  # noqa: E402

from include.backends.lightning.checkpoint import StepCheckpoint  # noqa: E402
from include.backends.lightning.fit import Data, Kept, fit_here  # noqa: E402
from include.backends.lightning.plan import Course, Place, Plan  # noqa: E402
from include.core.errors import SpecError  # noqa: E402
from include.core.storage import LocalStorage  # noqa: E402
from include.training.checkpoint import CheckpointStore  # noqa: E402
from include.training.job import Input, Rows  # noqa: E402

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(80, 3)).astype(np.float32)
_Y = (_X[:, 0] + 0.5 * _RNG.normal(size=80) > 0).astype(np.float32)
DATA = Data(Rows(_X, _Y), Rows(_X[:20], _Y[:20]))
PLAN = Plan(tuple(Input(name) for name in "abc"), {}, Course(80, 16, 4, 7), checkpoint_every=3)  # 5 batches an epoch


class Killed(Exception):
    pass


class Net(pl.LightningModule):
    """Automatic optimisation; `seen` and `kill_at` belong to the test."""

    kill_at = 0

    def __init__(self, seen: list[float]) -> None:
        super().__init__()
        self._of_test = lambda: seen
        self.l, self.g = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return (self.l(x) + self.g(x)).squeeze(1)

    def loss(self, batch: Any) -> Any:
        return binary_cross_entropy_with_logits(self(batch[0]), batch[1])

    def look(self, batch: Any) -> None:
        seen = self._of_test()
        seen.append(float(batch[0].sum()))
        if len(seen) == self.kill_at:
            raise Killed

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.look(batch)
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), 0.1)


class StopsEarly(Net):
    def configure_callbacks(self) -> Any:
        return [EarlyStopping("train_loss", patience=1, min_delta=0.05)]


class StopsInTheMiddle(Net):
    def on_train_batch_end(self, *_: Any) -> None:
        if self.trainer.global_step == 13:
            self.trainer.should_stop = True


class EndsEpochsEarly(Net):
    """Counts in an attribute of its own."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.batches = 0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
        self.batches += 1
        return -1 if self.batches in (8, 17) else None


class Accumulates(Net):
    def configure_callbacks(self) -> Any:
        return [GradientAccumulationScheduler({0: 2, 2: 4})]


class Noisy(Net):
    """Draws from every generator, keeps some of its own, and a running mean."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.generators = [np.random.default_rng(1), random.Random(2), torch.Generator().manual_seed(3)]
        self.mean = {"loss": torch.zeros(())}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.look(batch)
        a, b, c = self.generators
        old = np.random.rand()
        noise = a.normal() + b.random() + float(torch.rand((), generator=c)) + random.random() + float(torch.rand(())) + old
        loss = self.loss(batch) * (1 + noise / 10)
        self.mean["loss"] = 0.9 * self.mean["loss"] + 0.1 * loss.detach()
        return {"loss": loss + 0.1 * loss * self.mean["loss"]}


class Plateau(Net):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.5)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.3)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "train_loss"}}


class ByStep(Net):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.5, momentum=0.9)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


class Skips(Net):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return None if batch_idx % 3 == 0 else loss


class Manual(Net):
    """Two optimizers that step in different batches, a scheduler, gradients summed over batches, and no loss told."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.look(batch)
        first, second = self.optimizers()
        self.manual_backward(self.loss(batch))
        first.step()
        first.zero_grad()
        if batch_idx % 2:
            self.clip_gradients(second, 1.0, "norm")
            second.step()
            second.zero_grad()
            self.lr_schedulers()[1].step()

    def configure_optimizers(self) -> Any:
        optimizers = [torch.optim.SGD(self.l.parameters(), 0.1), torch.optim.Adam(self.g.parameters(), 0.1)]
        return optimizers, [torch.optim.lr_scheduler.StepLR(optimizer, 3) for optimizer in optimizers]


class Freezes(Net):
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.trainer.current_epoch == 1 and batch_idx == 0:
            self.g.requires_grad_(False)


class AtTheEnd(Net):
    """Changes the weights when the fit is over."""

    def on_train_end(self) -> None:
        with torch.no_grad():
            self.l.weight.mul_(0.5)


KINDS: list[type[Net]] = [
    Net, StopsEarly, StopsInTheMiddle, EndsEpochsEarly, Accumulates, Noisy, Plateau, ByStep, Skips, Manual, Freezes, AtTheEnd,
]  # fmt: skip


def fit(folder: Path, kind: type[Net], seen: list[float], kill_at: int = 0) -> tuple[bytes, bytes]:
    """The model's weights and the history, as they were left; raises Killed at that batch."""
    models: list[Net] = []

    def build(plan: Plan, features: Any) -> Net:
        models.append(type(kind.__name__, (kind,), {"kill_at": kill_at})(seen))
        return models[0]

    store = CheckpointStore(LocalStorage(str(folder)), "c")
    fit_here(PLAN, build, DATA, Kept(store), Place())
    weights = b"".join(value.numpy().tobytes() for value in models[0].state_dict().values())
    return weights, store.load("history.json") or b""


@pytest.fixture(autouse=True)
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter takes seconds, and is tested elsewhere."""
    monkeypatch.setattr("include.backends.lightning.fit.export", lambda model, inputs, path, outputs: path.write_bytes(b"onnx"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums of floats that are equal to the last bit: with several threads their order may follow the machine's load."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_fit_ends_with_the_same_weights_and_sees_each_batch_once(kind: type[Net], tmp_path: Path) -> None:
    once: list[float] = []
    whole = fit(tmp_path / "whole", kind, once)
    for kill_at in (2, 5, 6, 9, 14, len(once)):
        if kill_at > len(once):
            continue
        folder, before, after = tmp_path / str(kill_at), list[float](), list[float]()
        with pytest.raises(Killed):
            fit(folder, kind, before, kill_at)
        assert fit(folder, kind, after) == whole, kill_at
        assert before == once[:kill_at], kill_at
        done_again = len(before) + len(after) - len(once)
        assert after == once[len(once) - len(after) :], kill_at
        assert 0 < done_again <= 8, kill_at  # the killed batch, and at most an interval and what cannot be saved in between


@pytest.mark.parametrize("hook", ["after_epoch", "finish", "on_train_epoch_end"])
def test_a_kill_at_the_end_of_an_epoch_or_of_the_fit_loses_nothing(
    hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(tmp_path / "whole", Plateau, [])
    with monkeypatch.context() as patched:

        def killed(*_: Any) -> None:
            raise Killed

        patched.setattr(StepCheckpoint, hook, killed)
        with pytest.raises(Killed):
            fit(tmp_path / "torn", Plateau, [])
    assert fit(tmp_path / "torn", Plateau, []) == whole


def test_a_fit_that_is_done_is_not_repeated(tmp_path: Path) -> None:
    whole = fit(tmp_path, StopsEarly, [])
    seen: list[float] = []
    assert fit(tmp_path, StopsEarly, seen) == whole
    assert seen == []


def with_callback(make: Callable[[], Any]) -> type[Net]:
    return type("WithCallback", (Net,), {"configure_callbacks": lambda self: [make()]})


class OwnAveraging(StochasticWeightAveraging):
    pass


class OwnLoader(Net):
    def train_dataloader(self) -> Any:
        return []


class OpaqueState(Net):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = Path("/")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (with_callback(lambda: StochasticWeightAveraging(0.1)), "StochasticWeightAveraging"),
        (with_callback(lambda: OwnAveraging(0.1)), "StochasticWeightAveraging"),
        (with_callback(ModelCheckpoint), "ModelCheckpoint"),
        (OwnLoader, "train_dataloader"),
        (OpaqueState, "cannot be kept in a checkpoint"),
    ],
    ids=["averaging", "own averaging", "model checkpoint", "own loader", "opaque state"],
)
def test_what_cannot_be_resumed_is_refused_before_the_first_batch(kind: type[Net], names: str, tmp_path: Path) -> None:
    seen: list[float] = []
    with pytest.raises(SpecError, match=f"(?s){names}"):
        fit(tmp_path, kind, seen)
    assert seen == []
