"""DP-SGD in the loop that may be killed: rows by Poisson, gradients cut by row, noise, and an account of what was spent.

Which rows a step takes, and its noise, follow from a secret and the number of the step. The secret is drawn by the operating
system when the fit begins, and lies with its checkpoints until it is done: a step that is made again after a kill is the same
step, so nothing more is spent by it. The spec's seed would be no secret: who knows it could take the noise off again.

Of several workers all draw the whole step's rows, by the one secret, and each takes its part of them: how many they are changes
neither which rows a step takes, nor its noise, nor its account.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import Sampler

from include.backends.lightning.plan import PRIVACY, Course, Place, Plan, check_private
from include.backends.opacus.accounting import ACCOUNTANT, epsilon_of, noise_of
from include.backends.opacus.gradients import SAFE, RowGradients, check_layers, noisy
from include.core.errors import SpecError
from include.training.checkpoint import CheckpointStore

SECRET = "privacy-secret"
BYTES = 32
ALONE = Place()


@dataclass(frozen=True)
class Draws:
    """The random numbers of each step, which nobody knows who has not the secret."""

    secret: bytes

    @classmethod
    def of(cls, store: CheckpointStore, place: Place) -> Draws:
        """The secret of this fit: of an earlier attempt, or a new one. All workers have the first one's."""
        told = [_secret(store) if place.rank == 0 else None]
        if place.world > 1:
            torch.distributed.broadcast_object_list(told, 0)
        (kept,) = told
        assert kept is not None
        return cls(kept)

    def seed(self, what: str, step: int) -> int:
        made = hashlib.blake2b(f"{what} {step}".encode(), key=self.secret, digest_size=8).digest()
        return int.from_bytes(made, "big") >> 1  # torch takes 63 bits


def _secret(store: CheckpointStore) -> bytes | None:
    if store.load(SECRET) is None:
        store.save(SECRET, secrets.token_bytes(BYTES))
    return store.load(SECRET)  # of two attempts that wrote one, both read the same


class PoissonEpoch(Sampler[Tensor]):
    """The row numbers of each step, to the end of its epoch: each row is in it with one probability, whatever the others.

    Of n workers each has every n-th of them, so that none has more than one row less than another.
    """

    def __init__(self, course: Course, start: int, draws: Draws, place: Place = ALONE) -> None:
        self._course, self._start, self._draws, self._place = course, start, draws, place

    def __iter__(self) -> Iterator[Tensor]:
        epoch, first = divmod(self._start, self._course.steps_per_epoch)
        for number in range(first, self._course.steps_per_epoch):
            seed = self._draws.seed("rows", epoch * self._course.steps_per_epoch + number)
            drawn = torch.rand(self._course.rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            rows = (drawn < sample_rate(self._course)).nonzero().squeeze(1)
            yield rows[self._place.rank :: self._place.world]

    def __len__(self) -> int:
        return self._course.steps_per_epoch


class Private(pl.Callback):
    """The account of a fit, and what makes its steps private. A callback of the platform: checkpoints keep `spent` for it."""

    def __init__(self, plan: Plan, store: CheckpointStore, spent: list[Any] | None, place: Place) -> None:
        assert plan.privacy is not None
        self._asked, self._course, self._store, self._place = plan.privacy, plan.course, store, place
        check_private(plan.course, place.world)
        self.draws = Draws.of(store, place)
        self.noise = noise_of(plan.privacy, sample_rate(plan.course), plan.course.steps)
        self.spent = [(float(noise), float(rate), int(steps)) for noise, rate, steps in spent or []]
        self._generator = torch.Generator()
        self._rows: RowGradients | None = None

    @property
    def epsilon(self) -> float:
        return epsilon_of(self.spent, self._asked.delta)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        check_loop(trainer, pl_module)
        check_layers(pl_module)
        self._rows = RowGradients(pl_module)
        (optimizer,) = trainer.strategy.optimizers
        self._generator = torch.Generator(pl_module.device)  # noise is drawn where the weights are
        norm, batch_size = self._asked.max_grad_norm, self._course.batch_size
        private = noisy(optimizer, self.noise, norm, batch_size, self._generator, self._place.world)
        trainer.strategy.optimizers = [private]

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        check_loop(trainer, trainer.lightning_module)
        self._generator.manual_seed(self.draws.seed("noise", self._step(trainer)))

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        rate = sample_rate(self._course)
        *before, last = self.spent or [(self.noise, rate, 0)]
        if last[:2] == (self.noise, rate):
            self.spent = [*before, (self.noise, rate, last[2] + 1)]
        else:
            self.spent = [*before, last, (self.noise, rate, 1)]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._rows is not None:
            self._rows.remove()
        for parameter in pl_module.parameters():
            for name in ("grad_sample", "summed_grad", "_forward_counter"):
                if hasattr(parameter, name):
                    delattr(parameter, name)

    def leave(self) -> None:
        """Say what was spent; the secret is of no more use, and goes."""
        told = {
            "epsilon": self.epsilon, "delta": self._asked.delta, "noise_multiplier": self.noise,
            "max_grad_norm": self._asked.max_grad_norm, "sample_rate": sample_rate(self._course),
            "steps": sum(steps for _, _, steps in self.spent), "accountant": ACCOUNTANT,
        }  # fmt: skip
        self._store.save(PRIVACY, json.dumps(told).encode())
        self._store.forget(SECRET)

    def _step(self, trainer: pl.Trainer) -> int:
        epoch = trainer.current_epoch * self._course.steps_per_epoch
        return epoch + trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1


def sample_rate(course: Course) -> float:
    """The share of the rows that a step samples."""
    return min(course.batch_size / course.rows, 1.0)


def check_loop(trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """Raises SpecError for a loop whose steps are not one noisy gradient of one sample."""
    wrong = ""
    if not module.automatic_optimization:
        wrong = "automatic_optimization = False: its gradients would be neither cut nor noisy"
    elif len(trainer.strategy.optimizers) != 1:
        wrong = f"{len(trainer.strategy.optimizers)} optimizers: each step would be accounted for once"
    elif trainer.accumulate_grad_batches != 1:
        wrong = "gradients that are summed over batches: a step is one sample by Poisson"
    if wrong:
        what = f"training.privacy cannot go with {wrong}."
        raise SpecError(what, seen=type(module).__name__, safe=SAFE, hint="change that, or leave it out.")


def account_of(plan: Plan, store: CheckpointStore, state: dict[str, Any] | None, place: Place) -> Private | None:
    """The account of a fit that is to be private; of an earlier attempt with what its checkpoint says was spent."""
    return None if plan.privacy is None else Private(plan, store, state.get("privacy") if state else None, place)
