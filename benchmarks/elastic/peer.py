"""The peer: Ray Train's own elastic training of the same fit, from the same checkpoints, as its documentation says to set it up.

`ScalingConfig(num_workers=(1, 3))` with `FailureConfig(max_failures=-1)`: a lost worker restarts all of them with what is there.
"""

from __future__ import annotations

from typing import Any

from include.backends.lightning.plan import HISTORY, Place, Plan
from include.backends.ray.train import attach, collect
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.models.flight_delay.train import build
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.spool import MetricSpool

RESIZE = 30.0  # seconds between two looks for more workers; 60 by default


def fit(job: TrainingJob) -> None:
    if job.checkpoints.load(HISTORY) is None:
        attach()
        with scratch_folder() as folder:
            _train(job, str(folder))
    collect(job)


def _train(job: TrainingJob, folder: str) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from include.backends.ray.rows import hand_over

    config = {
        "plan": Plan.of(job),
        "rows": [hand_over(rows) for rows in (job.train, job.validation)],
        "root": job.checkpoints.storage.root,
        "folder": job.checkpoints.folder,
        "metrics": job.spool.folder if job.spool else "",
    }
    TorchTrainer(
        _worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=(job.minimum_workers or job.workers, job.workers),
            resources_per_worker={"CPU": 1},
            elastic_resize_monitor_interval_s=RESIZE,
        ),
        torch_config=TorchConfig(backend="gloo"),
        run_config=RunConfig(name="peer", storage_path=folder, failure_config=FailureConfig(max_failures=-1)),
    ).fit()


def _worker(config: dict[str, Any]) -> None:
    import ray
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    from include.backends.lightning.fit import Data, Kept, fit_here
    from include.backends.ray.rows import received

    context = ray.train.get_context()
    place = Place(context.get_world_rank(), context.get_world_size())
    storage = Settings(root=config["root"]).storage()
    train, validation = (received(rows, storage) for rows in config["rows"])
    kept = Kept(CheckpointStore(storage, config["folder"]), MetricSpool(storage, config["metrics"]))
    more = {"strategy": RayDDPStrategy(), "plugins": [RayLightningEnvironment()], "devices": "auto"}
    fit_here(config["plan"], build, Data(train, validation), kept, place, **more)
