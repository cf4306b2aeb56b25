"""Distributed fitting of a LightningModule: DDP on Ray Train's workers, or in this process where there is no Ray."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import numpy as np

from include.backends.lightning.plan import HISTORY, MODEL, SCORES, Build, Place, Plan
from include.backends.ray import memory, on_node
from include.backends.ray.scaling import scaling, wait_for_room
from include.core import code_check
from include.core.author import as_slipstream_error, describe, log_exception
from include.core.environment import RAY_ADDRESS
from include.core.errors import JobFailedError, MemoryLimitError, PermanentError, SlipstreamError, UnreachableError
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.spool import MetricSpool

log = logging.getLogger(__name__)

RESTARTS = 2  # of the workers, within one attempt

# A fit of seconds: what watches over fits of days only costs processes and polling here.
LEAN = {
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_STATE_ACTOR_RECONCILIATION": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}


def fit_lightning(job: TrainingJob, build: Build) -> None:
    """Train `build`'s module on the job's workers and write `job.model_path`, history and expected scores.

    Inside a Ray job (RAY_ADDRESS is set) with more than one worker: DDP under Ray Train. Else: here.
    An earlier attempt that was killed is continued at its newest verified checkpoint.
    """
    if job.checkpoints.load(HISTORY) is None:
        plan = Plan.of(job)
        if job.workers > 1 and RAY_ADDRESS.read():
            _fit_on_ray(job, plan, build)
        else:
            _fit_here(job, plan, build)
    _collect(job)


def _fit_here(job: TrainingJob, plan: Plan, build: Build) -> None:
    from include.backends.lightning.fit import Data, Kept, fit_here

    fit_here(plan, build, Data(job.train, job.validation), Kept(job.checkpoints, job.spool), Place())


def _fit_on_ray(job: TrainingJob, plan: Plan, build: Build) -> None:
    # What Ray Train itself keeps of a run nobody reads: ours is among the checkpoints, which only our own client can open.
    with scratch_folder() as folder:
        _fit_with_workers(job, plan, build, str(folder))


def _fit_with_workers(job: TrainingJob, plan: Plan, build: Build, folder: str) -> None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from include.backends.ray.rows import hand_over

    _attach()
    config = {
        "plan": plan,
        "build": build,
        "rows": [hand_over(rows) for rows in (job.train, job.validation)],
        "root": job.checkpoints.storage.root,
        "folder": job.checkpoints.folder,
        "metrics": job.spool.folder if job.spool else "",
        "code": code_check.checked(),
    }
    wait_for_room(job.needs, job.workers)
    for tries_left in reversed(range(1 + RESTARTS)):  # a lost worker resumes within this attempt
        trainer = TorchTrainer(
            _worker,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=job.workers, **scaling(job.needs.resources, job.workers)),
            torch_config=TorchConfig(backend=plan.devices.process_group),
            run_config=RunConfig(
                name="ray",
                storage_path=folder,
                failure_config=FailureConfig(max_failures=0),  # Ray would also repeat what fails again for sure
            ),
        )
        try:
            trainer.fit()
            return
        except ray.train.TrainingFailedError as error:
            failed = _failure(job, error)
            if isinstance(failed, PermanentError | MemoryLimitError) or not tries_left:
                log_exception(error)
                raise failed from None
            log.warning("%s Trying again.", failed)


def _failure(job: TrainingJob, error: Exception) -> SlipstreamError:
    """What the workers died of, as one of our errors: a permanent one if any of them met it.

    Where one worker's code fails, its peers lose their connection to it: that is no cause of its own.
    """
    causes = [as_slipstream_error(cause) for _, cause in sorted(getattr(error, "worker_failures", {}).items())]
    for kind in (PermanentError, MemoryLimitError):
        if found := next((cause for cause in causes if isinstance(cause, kind)), None):
            return found
    failed = JobFailedError(
        f"Distributed training on {job.workers} workers failed: {describe(causes[0] if causes else error)}.",
        safe=f"checkpoints of steps {job.checkpoints.steps()} are kept.",
        hint="the next attempt resumes from the newest; read the job's log for the first traceback.",
    )
    return memory.named(job.checkpoints.folder, failed, getattr(error, "worker_failures", {}).values())


def _attach() -> None:
    """Join the cluster this job runs on. Never starts one: an address is always given."""
    import ray

    address = RAY_ADDRESS.read()
    for name, value in LEAN.items():
        os.environ.setdefault(name, value)
    # Ray Train's own actors look the cluster up again, and with two on a host they need to be told which.
    runtime_env = {"env_vars": {RAY_ADDRESS.name: address}}
    try:
        ray.init(address=address, runtime_env=runtime_env, ignore_reinit_error=True, configure_logging=False)
    except ConnectionError as error:
        raise UnreachableError(
            f"No Ray cluster answers at {address}.", safe="nothing was started.", hint="check RAY_ADDRESS, or start the Ray head."
        ) from error


def _worker(config: dict[str, Any]) -> None:
    """The body of each Ray Train worker."""
    import ray
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    from include.backends.lightning.fit import Data, Kept, fit_here
    from include.backends.ray.rows import received

    context = ray.train.get_context()
    place = Place(context.get_world_rank(), context.get_world_size())
    try:
        on_node.require_same_code(config["code"])  # it may be another node than the driver's
        memory.note(config["folder"])
        storage = Settings(root=config["root"], environ=on_node.environment()).storage()
        train, validation = (received(rows, storage) for rows in config["rows"])
        spool = MetricSpool(storage, config["metrics"]) if config["metrics"] else None  # the driver delivers what is in it
        fit_here(
            config["plan"],
            config["build"],
            Data(train, validation),
            Kept(CheckpointStore(storage, config["folder"]), spool),
            place,
            strategy=RayDDPStrategy(),
            plugins=[RayLightningEnvironment()],
            devices="auto",
        )
    except Exception as error:  # noqa: BLE001 - its class may be known to this worker alone: one of ours crosses over
        log_exception(error)
        raise as_slipstream_error(error) from None


def _collect(job: TrainingJob) -> None:
    """Take what rank 0 left: the model, its history and its validation scores."""
    model, scores, history = (job.checkpoints.load(name) for name in (MODEL, SCORES, HISTORY))
    if model is None or scores is None or history is None:
        raise JobFailedError(
            "Training ended without a model that matches its digest.",
            seen=job.checkpoints.steps(),
            safe="the step checkpoints are kept.",
            hint="the next attempt resumes from the newest.",
        )
    job.model_path.write_bytes(model)
    job.expect(np.frombuffer(scores, dtype=np.float32).reshape(job.problem.shape(len(job.validation))))
    for row in json.loads(history):
        job.report({name: value for name, value in row.items() if name != "step"}, row["step"])
