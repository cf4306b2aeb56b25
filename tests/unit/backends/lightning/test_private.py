"""A fit by DP-SGD: its steps are private, a kill changes nothing, and its account says all that was spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightning.plan import PRIVACY, Course, Place, Plan, check_private
from include.core.errors import SpecError
from include.core.spec import PrivateTraining
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows
from tests.support.later import Later

pytestmark = [pytest.mark.lives, pytest.mark.usefixtures("one_thread")]  # torch takes seconds to import

lightning, private = Later("include.backends.lightning.fit"), Later("include.backends.lightning.private")
accounting, networks = Later("include.backends.opacus.accounting"), Later("tests.unit.backends.lightning.networks")

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(80, 3)).astype(np.float32)
_Y = (_X[:, 0] + 0.5 * _RNG.normal(size=80) > 0).astype(np.float32)
COURSE = Course(80, 16, 4, 7)  # 5 batches an epoch
ASKED = PrivateTraining(noise_multiplier=1.1, delta=1e-3, max_grad_norm=0.5)


@pytest.fixture(autouse=True)
def _as_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.backends.lightning.fit.export", lambda model, inputs, path, outputs: path.write_bytes(b"onnx"))


@pytest.fixture
def one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two fits can be compared."""
    monkeypatch.setattr("include.backends.lightning.private.secrets.token_bytes", lambda size: b"s" * size)


def fit(
    folder: Path, seen: list[float] | None = None, kill_at: int = 0, kind: str = "Net", asked: PrivateTraining | None = ASKED
) -> tuple[dict[str, Any], CheckpointStore]:
    """The trained weights by name, and the checkpoints; raises Killed at that batch."""
    models: list[Any] = []

    def build(plan: Plan, features: Any) -> Any:
        models.append(type(kind, (getattr(networks, kind),), {"kill_at": kill_at})([] if seen is None else seen))
        return models[0]

    store = CheckpointStore(LocalStorage(str(folder)), "c")
    plan = Plan(tuple(Input(name) for name in "abc"), {}, COURSE, checkpoint_every=3, privacy=asked)
    data = lightning.Data(Rows(_X, _Y), Rows(_X[:20], _Y[:20]))
    lightning.fit_here(plan, build, data, lightning.Kept(store), Place())
    return {name: value.numpy().copy() for name, value in models[0].state_dict().items()}, store


def told(store: CheckpointStore) -> dict[str, Any]:
    found = store.load(PRIVACY)
    assert found is not None
    return dict(json.loads(found))


def test_the_account_is_the_librarys_and_the_secret_goes(tmp_path: Path) -> None:
    from opacus.accountants import RDPAccountant

    _, store = fit(tmp_path)
    theirs = RDPAccountant()
    for _ in range(COURSE.steps):
        theirs.step(noise_multiplier=1.1, sample_rate=0.2)
    spent = told(store)
    assert spent["epsilon"] == pytest.approx(theirs.get_epsilon(1e-3), abs=1e-6)
    assert {name: spent[name] for name in ("steps", "noise_multiplier", "sample_rate", "delta", "max_grad_norm")} == {
        "steps": 20, "noise_multiplier": 1.1, "sample_rate": 0.2, "delta": 1e-3, "max_grad_norm": 0.5,
    }  # fmt: skip
    assert store.load("privacy-secret") is None


@pytest.mark.usefixtures("one_secret")
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "kill_at"),
    [
        ("Net", 9), ("Net", 2), ("Net", 5), ("Net", 6), ("Net", 20), ("Plateau", 9), ("ByStep", 6), ("StopsEarly", 6),
        ("Freezes", 12),
    ],
)  # fmt: skip
def test_a_killed_fit_ends_with_the_same_weights_and_the_whole_account(kind: str, kill_at: int, tmp_path: Path) -> None:
    once: list[float] = []
    whole, first = fit(tmp_path / "whole", once, kind=kind)
    with pytest.raises(networks.Killed):
        fit(tmp_path / "torn", kill_at=kill_at, kind=kind)
    after: list[float] = []
    again, store = fit(tmp_path / "torn", after, kind=kind)
    assert all((whole[name] == again[name]).all() for name in whole)
    assert after == once[len(once) - len(after) :], "the same rows as of the undisturbed fit"
    assert told(store) == told(first)
    assert told(store)["steps"] == len(once)


@pytest.mark.whole
def test_a_kill_after_the_last_step_counts_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise networks.Killed

    with monkeypatch.context() as patched:
        patched.setattr("include.backends.lightning.fit._leave", killed)
        with pytest.raises(networks.Killed):
            fit(tmp_path)
    assert told(fit(tmp_path)[1])["steps"] == 20


@pytest.mark.whole
def test_two_fits_draw_other_noise_though_their_seed_is_one(tmp_path: Path) -> None:
    one, other = fit(tmp_path / "a")[0], fit(tmp_path / "b")[0]
    assert any((one[name] != other[name]).any() for name in one)


@pytest.mark.usefixtures("one_secret")
def test_without_noise_and_cuts_it_is_the_plain_step(tmp_path: Path) -> None:
    """One step of SGD on the rows that were drawn, divided by what a batch has on the average."""
    import torch

    steps: list[Any] = []

    class Once(networks.Net):  # type: ignore[misc, name-defined]
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            steps.append((batch, {name: value.detach().clone() for name, value in self.named_parameters()}))
            return super().training_step(batch, batch_idx)

    networks.Once = Once
    try:
        fit(tmp_path, kind="Once", asked=PrivateTraining(noise_multiplier=1e-9, max_grad_norm=1e6))
    finally:
        del networks.Once
    (batch, before), (_, after) = steps[0], steps[1]
    weights = {name: value.clone().requires_grad_() for name, value in before.items()}
    logits = sum(batch[0] @ weights[f"{part}.weight"].T + weights[f"{part}.bias"] for part in "lg").squeeze(1)  # type: ignore[union-attr]
    torch.nn.functional.binary_cross_entropy_with_logits(logits, batch[1], reduction="sum").backward()
    for name, value in weights.items():
        assert torch.allclose(after[name], before[name] - 0.1 * value.grad / COURSE.batch_size, atol=1e-5), name


def test_every_row_is_drawn_by_itself() -> None:
    """Poisson: sizes vary as a binomial's, and each row comes as often as the rate says."""
    course = Course(400, 100, 300, 7)
    draws = private.Draws(b"k" * 32)
    drawn = [rows for epoch in range(300) for rows in private.PoissonEpoch(course, epoch * 4, draws)]
    sizes = np.array([len(rows) for rows in drawn])
    often = np.bincount(np.concatenate([rows.numpy() for rows in drawn]), minlength=400) / len(drawn)
    assert len(drawn) == 1200
    assert sizes.mean() == pytest.approx(100, abs=1)
    assert sizes.std() == pytest.approx(np.sqrt(400 * 0.25 * 0.75), rel=0.1)
    assert np.abs(often - 0.25).max() < 0.06
    resumed = list(private.PoissonEpoch(course, 2, draws))
    assert [rows.tolist() for rows in resumed] == [rows.tolist() for rows in drawn[2:4]]


@pytest.mark.parametrize(
    ("kind", "named"),
    [("Manual", "automatic_optimization"), ("Accumulates", "summed over batches"), ("Normalised", "norm.*BatchNorm1d")],
)
def test_what_would_not_be_private_is_refused_before_a_step(kind: str, named: str, tmp_path: Path) -> None:
    seen: list[float] = []
    with pytest.raises(SpecError, match=named):
        fit(tmp_path, seen, kind=kind)
    assert seen == []


def test_batches_that_may_be_empty_are_refused() -> None:
    check_private(Course(80, 16, 4, 7), 1)
    check_private(Course(80, 32, 4, 7), 2)
    with pytest.raises(SpecError, match="too small"):
        check_private(Course(80, 8, 4, 7), 1)
    with pytest.raises(SpecError, match="one of 3 workers may have none"):
        check_private(Course(80, 47, 4, 7), 3)


def test_workers_share_the_rows_of_a_step_without_one_left_or_doubled() -> None:
    course, draws = Course(400, 100, 3, 7), private.Draws(b"k" * 32)
    whole = list(private.PoissonEpoch(course, 1, draws))
    for world in (2, 3, 7):
        parts = [list(private.PoissonEpoch(course, 1, draws, Place(rank, world))) for rank in range(world)]
        for step, rows in enumerate(whole):
            mine = [part[step].tolist() for part in parts]
            assert sorted(row for each in mine for row in each) == rows.tolist()
            assert max(map(len, mine)) - min(map(len, mine)) <= 1
