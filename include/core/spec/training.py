"""The section `training`: the function that fits the model, its data window and its parameters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Cron, Frozen, OptionalReference
from include.core.spec.privacy import PrivateTraining
from include.core.spec.resources import Resources
from include.core.spec.search import Search
from include.core.spec.workers import Count, Workers

Precision = Literal["32", "bf16", "16-mixed"]


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

    search: Search | dict[str, tuple[Any, ...]] = Field({})
    """What to try for parameters: a `Search`, or the values by name, of which at most 8 combinations are tried. Only a run that
    asks to tune tries them, and the best replaces the `params` of the same names."""

    memory_rows: int | None = Field(None, ge=0)
    """The number of rows up to which a training set is held in memory. A larger one is streamed from blocks on disk: a fit by
    `fit_lightning` does so by itself, another one takes `job.train.batches()`. None: in memory, however many there are."""

    workers: Count | Workers = 1
    """How many worker processes fit the model together, for a `fit` that can distribute its work. `Workers(minimum=2,
    maximum=8)`: as many of them as the cluster has machines for, which may come and go while it trains."""

    resources: Resources = Resources()
    """What each worker needs at least of its machine: on Ray it is reserved, on SageMaker it chooses the instance type, and a
    local process is refused where this machine lacks it. It is no part of the result's key."""

    precision: Precision = "32"
    """In which numbers a `fit` of Lightning computes. `bf16`: products in bfloat16, weights and sums in float32, on CPUs as well;
    `16-mixed`: in float16 with a scaled loss, on GPUs alone. The model that is written computes in float32."""

    strategy: Literal["ddp", "fsdp"] = "ddp"
    """How the workers of a `fit` of Lightning share its model. `ddp`: each has it whole. `fsdp`: each has a part of the rows of
    every weight, of its gradient and of the optimizer's state, and gathers a layer while it computes with it: for a model that
    is too large for one worker."""

    offload: bool = False
    """Whether those parts lie in the memory of the CPU while a GPU does not compute with them. It needs `fsdp`, and changes
    nothing where workers have no GPU."""

    time_limit: timedelta = Field(timedelta(0), ge=timedelta(0), le=timedelta(days=28))
    """How long an attempt to fit may take, the wait for its machines included. After it the job is stopped, and the task fails
    with what was kept. 0: as long as it takes. It is no part of the result's key."""

    pool: str = Field("", max_length=256)
    """Airflow's pool that a slot of is held while the model is fitted. Empty: the pool `ray` for jobs. It is no part of the
    result's key."""

    queue: str = Field("", max_length=256)
    """Airflow's queue whose workers run the task that fits. Empty: the default. It is no part of the result's key."""

    seed: int = 7
    """The seed of every random number that the fit draws."""

    warm_start: bool = False
    """Whether a fit begins from the weights of the version in production, where it can. A cold fit of the same training set is
    made as well, the better of the two on the validation rows is the candidate, and a fit that began warm and is worse than its
    cold twin on the holdout closes the gate. Weights are kept with each version from then on."""

    privacy: PrivateTraining | None = None
    """Whether a `fit` of Lightning is by DP-SGD, and which budget it has. By default it is not."""

    without_withdrawn: bool = False
    """Whether to leave out requests that were answered by a version that has since been rolled back. By default they stay."""

    @model_validator(mode="after")
    def _fits_its_machines(self) -> Self:
        if self.precision == "16-mixed" and not self.resources.gpus:
            raise ValueError(
                'precision "16-mixed" needs a GPU: on CPUs float16 is slower than float32 and loses gradients; '
                'ask for resources.gpus, or say "bf16", which CPUs compute'
            )
        if self.offload and self.strategy != "fsdp":
            raise ValueError(f'offload is of the strategy "fsdp": with "{self.strategy}" each worker has the model whole')
        if self.warm_start and self.strategy == "fsdp":
            raise ValueError(
                'warm_start needs a model that one worker holds whole: with strategy "fsdp" no worker does, and nobody could map '
                "the champion's weights; leave one of the two out"
            )
        if self.privacy is not None and (wrong := self._not_private()):
            raise ValueError(f"privacy: cannot go with {wrong}")
        most = Workers.of(self.workers).maximum
        if self.resources.nodes > most:
            raise ValueError(f"resources.nodes: {self.resources.nodes} machines for at most {most} workers; ask for more workers")
        if self.strategy == "fsdp" and Workers.of(self.workers).minimum < 2:
            raise ValueError('strategy "fsdp" shares a model out to workers: ask for at least 2 training.workers, or say "ddp"')
        return self

    def _not_private(self) -> str:
        """What of this section a fit by DP-SGD could not account for."""
        found = {
            'strategy "fsdp": gradients by row need the model whole': self.strategy == "fsdp",
            'precision other than "32": what is cut and what is noise would be rounded otherwise than is accounted for': (
                self.precision != "32"
            ),
            "memory_rows: a sample by Poisson may take any row, and streamed ones come in blocks": self.memory_rows is not None,
            "warm_start: the champion's weights have spent a budget of their own on the same rows": self.warm_start,
            "search: each trial spends, and none would be accounted for": bool(self.search),
        }
        return next((words for words, given in found.items() if given), "")
