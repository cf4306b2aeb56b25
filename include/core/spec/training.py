"""The section `training`: the function that fits the model, its data window and its parameters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from include.core.spec.base import Cron, Frozen, OptionalReference


class Resources(Frozen):
    """What a fit needs at least of the machine that it runs on, where each job gets one of its own (SageMaker)."""

    cpus: int = Field(0, ge=0, le=192)
    """Virtual CPUs. 0: as the platform's settings say."""

    memory_gb: float = Field(0.0, ge=0)
    """GiB of memory. 0: as the platform's settings say."""

    gpus: int = Field(0, ge=0, le=16)
    """GPUs. 0: none is needed."""


class Training(Frozen):
    """How the model is fitted, on which days, and how often at least."""

    fit: OptionalReference = ""
    """The function `(job: include.training.job.TrainingJob) -> None` that writes an ONNX file to `job.model_path`."""

    inputs: Literal["tensor", "columns"] = "tensor"
    """How the model takes its inputs. `tensor`: one float32 tensor `features` of all of them, categories as codes, a vector as
    so many places. `columns`: an input of its own for each, by name, categories and texts as text, which a `text` needs."""

    schedule: Cron = "0 0 1 * *"
    """When the model is trained whatever the drift, as a cron expression in UTC. By default on the first of each month."""

    window_days: int = Field(365, ge=1)
    """How many days back from its moment a training set reaches."""

    holdout_days: int = Field(28, ge=1)
    """How many of the newest days are held out. They are never trained on, and the evaluation is made on them."""

    minimum_rows: int = Field(1000, ge=10)
    """The number of labelled rows below which a training set is refused."""

    params: dict[str, Any] = Field({})
    """Parameters for `fit`, which reads them as `job.params`. They are part of the result's key, and logged with the run."""

    search: dict[str, tuple[Any, ...]] = Field({})
    """The values to try for parameters, by name. Only a run that asks to tune tries them, at most 8 combinations, and the best
    replaces the `params` of the same names."""

    memory_rows: int | None = Field(None, ge=0)
    """The number of rows up to which a training set is held in memory. A larger one is streamed from blocks on disk: a fit by
    `fit_lightning` does so by itself, another one takes `job.train.batches()`. None: in memory, however many there are."""

    workers: int = Field(1, ge=1)
    """How many worker processes fit the model together, for a `fit` that can distribute its work."""

    resources: Resources = Resources()
    """What the fit needs at least of its machine. It chooses the instance type on SageMaker; Ray and local processes run where
    they are. It is no part of the result's key."""

    seed: int = 7
    """The seed of every random number that the fit draws."""

    without_withdrawn: bool = False
    """Whether to leave out requests that were answered by a version that has since been rolled back. By default they stay."""
