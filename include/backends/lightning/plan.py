"""What every worker of a fit must agree on. Imports no torch: the driver of a distributed fit needs none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.backends.lightning.devices import Devices
from include.core.errors import SpecError
from include.core.spec import PrivateTraining
from include.training.job import Floats, Input, TrainingJob

if TYPE_CHECKING:
    import pytorch_lightning as pl


# What rank 0 leaves in the checkpoint folder when the fit is done; HISTORY is written last.
MODEL, SCORES, HISTORY = "model.onnx", "validation-scores", "history.json"
# And of a fit whose weights are kept, or that was to begin from a champion's: CHAMPION is what it is handed, BEGUN how it began.
# Of a fit by DP-SGD, what it spent.
PRIVACY = "privacy.json"
TRAINED, CHAMPION, BEGUN = "trained-weights", "champion-weights", "begun.json"
FEWEST = 16  # rows of a worker's share of a private batch, on the average: fewer may be none, which no loss is defined of


@dataclass(frozen=True)
class Place:
    """Which worker this is, of how many."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class Course:
    """The steps of a fit: `epochs` times over `rows` in global batches of `batch_size`."""

    rows: int
    batch_size: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.rows // self.batch_size)  # the last, partial batch is dropped

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True)
class Plan:
    """The inputs, the parameters and the course of one fit."""

    inputs: tuple[Input, ...]
    params: Mapping[str, Any]
    course: Course
    checkpoint_every: int  # steps
    track_every: int = 50  # steps between two values of the loss in live tracking, as in Lightning's loggers
    outputs: tuple[str, ...] = ("score",)
    link: str = "sigmoid"  # what makes outputs of what the module says: see include/problems/problem.py
    devices: Devices = field(default_factory=Devices)
    strategy: str = "ddp"
    offload: bool = False
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by input, of a fit whose weights are kept
    keeps_weights: bool = False
    privacy: PrivateTraining | None = None

    @classmethod
    def of(cls, job: TrainingJob) -> Plan:
        """Raises SpecError if `training.params` lacks `epochs` or `batch_size`, or a worker would have no row of a batch or could
        not use what the spec asks for."""
        if job.strategy == "fsdp" and (job.minimum_workers or job.workers) < 2:
            raise cannot_shard("one worker", "ask for at least 2 training.workers")
        epochs, batch_size = (_positive(job.params, name) for name in ("epochs", "batch_size"))
        if (batch := min(batch_size, len(job.train))) < job.workers:
            raise SpecError(
                f"A batch of {batch} rows cannot be shared by {job.workers} workers: one would have none.",
                seen={"training.params.batch_size": batch_size, "rows": len(job.train)},
                safe="nothing was trained; checkpoints that exist are kept.",
                hint="ask for fewer workers, or give larger batches.",
            )
        course = Course(len(job.train), batch_size, epochs, job.seed)
        if job.privacy is not None:
            check_private(course, job.workers)
        every = (int(job.params.get(name, steps)) for name, steps in (("checkpoint_every", 25), ("track_every", 50)))
        checkpoint_every, track_every = every
        given = job.inputs, dict(job.params), course
        devices = Devices.of(job.needs.resources, job.precision)
        known = {each.name: each.categories for each in job.encoder.inputs if each.categories} if job.keeps_weights else {}
        return cls(
            *given, checkpoint_every, track_every, job.outputs, job.problem.link, devices, job.strategy, job.offload,
            categories=known, keeps_weights=job.keeps_weights, privacy=job.privacy,
        )  # fmt: skip


# Builds the module in each worker from the plan and the training features (for statistics such as means). Must be a module-level
# function or class. The module's forward maps features float32 [n, inputs] to what the problem's outputs are made of: logits [n]
# of a binary label, logits [n, k] of classes, values or scores [n], and of an interval value, low and high [n, 3].
# A batch is (features, labels), and (features, labels, weights) where the problem has a weight. A class is its place, float32.
Build = Callable[[Plan, Floats], "pl.LightningModule"]


def check_private(course: Course, workers: int) -> None:
    """Raises SpecError for batches of which a worker may have no row: a sample by Poisson has any number of them."""
    if course.batch_size < FEWEST * workers:
        some = "a step may take none" if workers == 1 else f"one of {workers} workers may have none of a step's"
        raise SpecError(
            f"Batches of {course.batch_size} rows are too small for training.privacy: {some}.",
            safe="nothing was trained; checkpoints that exist are kept.",
            hint=f"give training.params.batch_size of at least {FEWEST * workers}; larger ones need less noise a row.",
        )


def cannot_shard(seen: str, hint: str) -> SpecError:
    """The error for a fit that has nobody to share its model with."""
    return SpecError(
        'training.strategy "fsdp" shares a model out to workers of a Ray cluster.', seen=seen,
        safe="nothing was trained; checkpoints that exist are kept.", hint=f'{hint}, or say training.strategy="ddp".',
    )  # fmt: skip


def _positive(params: Mapping[str, Any], name: str) -> int:
    value = params.get(name)
    if not isinstance(value, int) or value < 1:
        raise SpecError(f"training.params.{name} must be a whole number of at least 1.", seen=value)
    return value
