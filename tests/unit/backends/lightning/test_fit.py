"""A fit that is killed at a batch and begun again ends with the bytes of one that was not, and sees each batch once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightning.plan import Course, Place, Plan
from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows
from tests.support.effort import effort
from tests.support.later import Later
from tests.support.streamed_rows import streamed

pytestmark = [pytest.mark.lives, pytest.mark.usefixtures("one_thread")]  # torch takes seconds to import

lightning, lightning_checkpoint = Later("include.backends.lightning.fit"), Later("include.backends.lightning.checkpoint")
networks = Later("tests.unit.backends.lightning.networks")

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(80, 3)).astype(np.float32)
_Y = (_X[:, 0] + 0.5 * _RNG.normal(size=80) > 0).astype(np.float32)
PLAN = Plan(tuple(Input(name) for name in "abc"), {}, Course(80, 16, 4, 7), checkpoint_every=3)  # 5 batches an epoch


def data(streams_from: Path | None = None) -> Any:
    train, validation = Rows(_X, _Y), Rows(_X[:20], _Y[:20])
    if streams_from is None:
        return lightning.Data(train, validation)
    storage = LocalStorage(streams_from)
    return lightning.Data(streamed(train, storage, 7), streamed(validation, storage, 7, "validation"))


KINDS = [
    "Net", "StopsEarly", "StopsInTheMiddle", "EndsEpochsEarly", "Accumulates", "Noisy", "Plateau", "ByStep", "Skips", "Manual",
    "Freezes", "AtTheEnd",
]  # fmt: skip


def fit(
    folder: Path, kind: str, seen: list[float], kill_at: int = 0, streams_from: Path | None = None, **more: Any
) -> tuple[bytes, bytes]:
    """The model's weights and the history, as they were left; raises Killed at that batch."""
    models: list[Any] = []

    def build(plan: Plan, features: Any) -> Any:
        models.append(type(kind, (getattr(networks, kind),), {"kill_at": kill_at})(seen))
        return models[0]

    store = CheckpointStore(LocalStorage(str(folder)), "c")
    lightning.fit_here(PLAN, build, data(streams_from), lightning.Kept(store), Place(), **more)
    weights = b"".join(value.numpy().tobytes() for value in models[0].state_dict().values())
    return weights, store.load("history.json") or b""


@pytest.fixture(autouse=True)
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter takes seconds, and is tested elsewhere."""
    monkeypatch.setattr("include.backends.lightning.fit.export", lambda model, inputs, path, outputs: path.write_bytes(b"onnx"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_fit_ends_with_the_same_weights_and_sees_each_batch_once(kind: str, tmp_path: Path) -> None:
    once: list[float] = []
    whole = fit(tmp_path / "whole", kind, once)
    first, step = effort(KINDS.index(kind) % 2, 0), effort(2, 1)  # every second of them, in turns
    for kill_at in (2, 5, 6, 9, 14, len(once))[first::step]:
        if kill_at > len(once):
            continue
        folder, before, after = tmp_path / str(kill_at), list[float](), list[float]()
        with pytest.raises(networks.Killed):
            fit(folder, kind, before, kill_at)
        assert fit(folder, kind, after) == whole, kill_at
        assert before == once[:kill_at], kill_at
        done_again = len(before) + len(after) - len(once)
        assert after == once[len(once) - len(after) :], kill_at
        assert 0 < done_again <= 8, kill_at  # the killed batch, and at most an interval and what cannot be saved in between


def test_a_killed_fit_of_streamed_rows_goes_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    once, before, after = list[float](), list[float](), list[float]()
    whole = fit(tmp_path / "whole", "Net", once, streams_from=tmp_path / "rows")
    assert whole != fit(tmp_path / "memory", "Net", [])  # another order, and else the same
    with pytest.raises(networks.Killed):
        fit(tmp_path / "torn", "Net", before, 9, tmp_path / "rows")
    assert fit(tmp_path / "torn", "Net", after, streams_from=tmp_path / "rows") == whole
    assert before == once[:9]
    assert after == once[len(once) - len(after) :]
    assert 0 < len(before) + len(after) - len(once) <= 4


@pytest.mark.parametrize("hook", ["after_epoch", "finish", "on_train_epoch_end"])
def test_a_kill_at_the_end_of_an_epoch_or_of_the_fit_loses_nothing(
    hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(tmp_path / "whole", "Plateau", [])
    with monkeypatch.context() as patched:

        def killed(*_: Any) -> None:
            raise networks.Killed

        patched.setattr(lightning_checkpoint.StepCheckpoint, hook, killed)
        with pytest.raises(networks.Killed):
            fit(tmp_path / "torn", "Plateau", [])
    assert fit(tmp_path / "torn", "Plateau", []) == whole


@pytest.mark.parametrize("asked_at", [2, 5, 7])
def test_a_fit_that_is_asked_to_leave_is_saved_at_that_batch_and_goes_on_from_it(asked_at: int, tmp_path: Path) -> None:
    once: list[float] = []
    whole = fit(tmp_path / "whole", "Noisy", once)
    before, after = list[float](), list[float]()
    with pytest.raises(lightning.Left) as left:
        fit(tmp_path / "left", "Noisy", before, hooks=lightning.Hooks(leaves=lambda: len(before) >= asked_at))
    assert left.value.step == asked_at
    assert fit(tmp_path / "left", "Noisy", after) == whole
    assert before + after == once


def test_the_platforms_own_callbacks_see_the_fit_and_are_no_part_of_its_state(tmp_path: Path) -> None:
    import pytorch_lightning as pl

    class Counts(pl.Callback):
        batches = 0

        def on_train_batch_end(self, *_: Any) -> None:
            self.batches += 1

    whole, counts = fit(tmp_path / "without", "Noisy", []), Counts()
    assert fit(tmp_path / "with", "Noisy", [], hooks=lightning.Hooks([counts])) == whole
    assert counts.batches == 20


def test_a_fit_that_is_done_is_not_repeated(tmp_path: Path) -> None:
    whole = fit(tmp_path, "StopsEarly", [])
    seen: list[float] = []
    assert fit(tmp_path, "StopsEarly", seen) == whole
    assert seen == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("Averages", "StochasticWeightAveraging"),
        ("AveragesByItself", "StochasticWeightAveraging"),
        ("ChecksModels", "ModelCheckpoint"),
        ("OwnLoader", "train_dataloader"),
        ("OpaqueState", "cannot be kept in a checkpoint"),
    ],
    ids=["averaging", "own averaging", "model checkpoint", "own loader", "opaque state"],
)
def test_what_cannot_be_resumed_is_refused_before_the_first_batch(kind: str, names: str, tmp_path: Path) -> None:
    seen: list[float] = []
    with pytest.raises(SpecError, match=f"(?s){names}"):
        fit(tmp_path, kind, seen)
    assert seen == []
