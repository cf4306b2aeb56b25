"""DP-SGD on several workers, by real gloo: a step is one sample, cut row by row, with noise once, however many they are."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightning.plan import PRIVACY, Course, Place, Plan
from include.core.errors import SpecError
from include.core.spec import PrivateTraining, Training
from include.core.spec.workers import Workers
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

FORK = get_context("fork")
SOON = timedelta(seconds=60)
COURSE = Course(256, 64, 3, 7)  # 4 steps an epoch
ASKED = PrivateTraining(noise_multiplier=1.1, delta=1e-3, max_grad_norm=0.5)
WIDE = 40_000  # weights of which the noise is measured
_RNG = np.random.default_rng(0)
_X = (_RNG.normal(size=(256, 3)) * _RNG.choice([1, 30], size=(256, 1))).astype(
    np.float32
)  # some rows would move all by themselves
_Y = (_X[:, 0] > 0).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    """Imported once, before the workers are forked."""
    for name in ("include.backends.lightning.fit", "include.backends.ray.group", "opacus.optimizers", "opacus.accountants"):
        import_module(name)


def plain(seen: list[Any]) -> Any:
    """One step of plain SGD is what the weights tell of it."""
    import pytorch_lightning as pl
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    class Plain(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.l, self.g = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return (self.l(x) + self.g(x)).squeeze(1)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            del batch_idx
            before = {name: value.detach().clone().numpy() for name, value in self.named_parameters()}
            seen.append((batch[0].numpy().copy(), batch[1].numpy().copy(), before))
            return binary_cross_entropy_with_logits(self(batch[0]), batch[1])

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            """Nothing is measured."""

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1.0)

    return Plain()


def still(seen: list[Any]) -> Any:
    """A wide layer whose gradient is nothing: what its weights move by is noise."""
    import pytorch_lightning as pl
    import torch

    class Still(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.l = torch.nn.Linear(1, WIDE, bias=False)
            torch.nn.init.zeros_(self.l.weight)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            del batch_idx
            seen.append((batch[0].numpy().copy(), batch[1].numpy().copy(), {"l.weight": self.l.weight.detach().numpy().copy()}))
            return self.l(batch[0][:, :1] * 0).mean()

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            """Nothing is measured."""

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1.0)

    return Still()


def work(
    folder: Path, place: Place, port: int, planned: Plan, make: Callable[[list[Any]], Any], secret: bytes, dies: int
) -> None:
    """One worker, as a Ray actor trains in its group; it leaves its weights, and what each step saw, in a file."""
    import torch

    from include.backends.lightning import fit as lightning_fit
    from include.backends.lightning import private
    from include.backends.ray.group import in_group, trainer_arguments

    torch.set_num_threads(1)
    torch.manual_seed(3)  # of the weights that a module begins with
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    lightning_fit._leave = lambda *_: None  # type: ignore[assignment]
    if secret:
        private.secrets.token_bytes = lambda size: secret  # type: ignore[assignment, attr-defined]
    if dies and place.rank == 0:
        save = CheckpointStore.save_step

        def save_and_die(store: CheckpointStore, step: int, content: bytes) -> None:
            save(store, step, content)
            if step == dies:
                os.kill(os.getpid(), signal.SIGKILL)

        CheckpointStore.save_step = save_and_die  # type: ignore[method-assign]
    seen: list[Any] = []
    module, found = make(seen), list[bytes]()
    drawn = private.Draws.of
    private.Draws.of = lambda store, at: found.append((made := drawn(store, at)).secret) or made  # type: ignore[method-assign, func-returns-value]
    address = ("127.0.0.1", port)
    opened = None
    if place.world > 1 and place.rank == 0:
        opened = torch.distributed.TCPStore(*address, is_master=True, wait_for_workers=False, timeout=SOON)
    store = CheckpointStore(LocalStorage(folder), "checkpoints")
    with in_group(planned, place, address, opened, SOON, SOON):
        more = trainer_arguments(planned, place, address)
        data = lightning_fit.Data(Rows(_X, _Y), Rows(_X[:20], _Y[:20]))
        lightning_fit.fit_here(planned, lambda *_: module, data, lightning_fit.Kept(store), place, **more)
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    torch.save({"weights": weights, "seen": seen, "secret": found[0]}, folder / f"left-{place.rank}.pt")


def fit(
    folder: Path,
    world: int,
    make: Callable[[list[Any]], Any] = plain,
    *,
    asked: PrivateTraining = ASKED,
    course: Course = COURSE,
    secret: bytes = b"s" * 32,
    dies: int = 0,
) -> list[dict[str, Any]]:
    """What each worker left; nothing where they die. Each is a process of its own."""
    import torch

    folder.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    planned = Plan(tuple(Input(name) for name in "abc"), {}, course, checkpoint_every=3, privacy=asked)
    workers = [
        FORK.Process(target=work, args=(folder, Place(rank, world), port, planned, make, secret, dies)) for rank in range(world)
    ]
    for worker in workers:
        worker.start()
    workers[0].join(120)
    for worker in workers[1:]:
        worker.join(0 if dies else 60)
        worker.kill()
        worker.join()
    if dies:
        assert workers[0].exitcode == -signal.SIGKILL
        return []
    assert [worker.exitcode for worker in workers] == [0] * world
    return [torch.load(folder / f"left-{rank}.pt", weights_only=False) for rank in range(world)]


def told(folder: Path) -> dict[str, Any]:
    found = CheckpointStore(LocalStorage(folder), "checkpoints").load(PRIVACY)
    assert found is not None
    return dict(json.loads(found))


def steps_of(left: list[dict[str, Any]]) -> list[tuple[Any, Any, dict[str, Any]]]:
    """Of each step the rows and labels of all workers, and the weights before it, which are every worker's."""
    whole = []
    for parts in zip(*(each["seen"] for each in left), strict=True):
        assert all((part[2][name] == parts[0][2][name]).all() for part in parts for name in part[2]), "one model, on all workers"
        whole.append((np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]), parts[0][2]))
    return whole


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("alone")
    (left,) = fit(folder, 1)
    return left, told(folder)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.allclose(one["weights"][name], other["weights"][name], atol=1e-5) for name in one["weights"])


@pytest.mark.parametrize("world", [2, 3])
def test_the_fit_and_its_account_are_those_of_one_worker(world: int, tmp_path: Path, alone: Any) -> None:
    from opacus.accountants import RDPAccountant

    theirs = RDPAccountant()
    for _ in range(COURSE.steps):
        theirs.step(noise_multiplier=1.1, sample_rate=0.25)
    left = fit(tmp_path / "f", world)
    assert all(same(alone[0], each) for each in left)
    assert told(tmp_path / "f") == alone[1]
    assert alone[1]["epsilon"] == pytest.approx(theirs.get_epsilon(1e-3), abs=1e-6)
    for mine, whole in zip(steps_of(left), alone[0]["seen"], strict=True):
        assert sorted(mine[0].tolist()) == sorted(whole[0].tolist()), "one sample, and no row twice"
    assert CheckpointStore(LocalStorage(tmp_path / "f"), "checkpoints").load("privacy-secret") is None


@pytest.mark.parametrize("world", [1, 2, 3])
def test_noise_is_added_once_whatever_the_number_of_workers(world: int, tmp_path: Path) -> None:
    left = fit(tmp_path / "f", world, still, secret=b"", course=replace(COURSE, epochs=1))
    assert len({each["secret"] for each in left}) == 1, "all draw by the first one's secret"
    steps = [before["l.weight"].ravel() for _, _, before in steps_of(left)] + [left[0]["weights"]["l.weight"].ravel()]
    moved = np.diff(np.array(steps), axis=0) * COURSE.batch_size / (1.1 * 0.5)
    assert len(moved) == 4
    assert moved.std(axis=1) == pytest.approx(1, abs=0.02)  # its own standard error is .0035
    assert np.abs(moved.mean(axis=1)).max() < 0.03
    assert np.abs(np.corrcoef(moved) - np.eye(4)).max() < 0.03, "each step's is its own"


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_gradient_of_each_row_is_cut_by_itself(world: int, tmp_path: Path) -> None:
    asked = PrivateTraining(noise_multiplier=1e-9, max_grad_norm=0.5)
    left = fit(tmp_path / "f", world, asked=asked, course=replace(COURSE, epochs=1))
    steps = steps_of(left)
    after = [before for _, _, before in steps[1:]] + [left[0]["weights"]]
    cut = 0
    for (rows, labels, before), then in zip(steps, after, strict=True):
        logits = (rows @ before["l.weight"].T + rows @ before["g.weight"].T).ravel() + before["l.bias"] + before["g.bias"]
        slope = 1 / (1 + np.exp(-logits.astype(np.float64))) - labels
        each = np.hstack([slope[:, None] * rows, slope[:, None]])  # by row: of the weights, of the bias
        norm = np.linalg.norm(each, axis=1) * np.sqrt(2)  # both layers have the same
        cut += int((norm > 0.5).sum())
        wanted = (each * np.minimum(0.5 / (norm + 1e-6), 1)[:, None]).sum(axis=0) / COURSE.batch_size
        for layer in "lg":
            moved = before[f"{layer}.weight"] - then[f"{layer}.weight"], before[f"{layer}.bias"] - then[f"{layer}.bias"]
            np.testing.assert_allclose(np.concatenate([moved[0].ravel(), moved[1]]), wanted, atol=2e-6)
            assert np.linalg.norm(wanted) * np.sqrt(2) <= 0.5 * len(rows) / COURSE.batch_size
    assert cut > 20, "rows that would have moved more"


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 2), (2, 3)])
def test_a_fit_that_goes_on_with_other_workers_has_spent_what_an_undisturbed_one_has(
    before: int, after: int, tmp_path: Path, alone: Any
) -> None:
    fit(tmp_path / "f", before, dies=6)
    left = fit(tmp_path / "f", after)
    assert len(left[0]["seen"]) == COURSE.steps - 6
    assert told(tmp_path / "f") == alone[1]
    assert all(same(alone[0], each) for each in left)


def test_a_spec_may_ask_for_them_and_batches_must_have_rows_for_all() -> None:
    from include.backends.lightning.plan import check_private

    assert Training(privacy=ASKED, workers=Workers(minimum=1, maximum=4)).privacy == ASKED
    check_private(COURSE, 4)
    with pytest.raises(SpecError, match="one of 5 workers may have none"):
        check_private(COURSE, 5)
