"""Distributed fitting of a LightningModule: DDP on workers of a Ray cluster, or in this process where there is no Ray."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from include.backends.lightning.plan import (
    BEGUN,
    CHAMPION,
    HISTORY,
    MODEL,
    PRIVACY,
    SCORES,
    TRAINED,
    Build,
    Place,
    Plan,
    cannot_shard,
)  # fmt: skip
from include.backends.lightning.sigterm import on_sigterm, pass_on
from include.core import code_check
from include.core.environment import RAY_ADDRESS
from include.core.errors import JobFailedError, SpecError, UnreachableError
from include.core.spec.workers import Workers
from include.training.interruptions import Account, left_at
from include.training.job import TrainingJob
from include.training.warm_start import Begun

if TYPE_CHECKING:
    from pytorch_lightning import Callback


def fit_lightning(job: TrainingJob, build: Build) -> None:
    """Train `build`'s module on the job's workers and write `job.model_path`, history and expected scores.

    Inside a Ray job (RAY_ADDRESS is set) with more than one worker: DDP or FSDP on workers of the cluster. Else: here.
    An earlier attempt that was killed is continued at its newest verified checkpoint.
    """
    job.taken.add("privacy")  # also of a fit that is done, whose plan is not made again
    if job.checkpoints.load(HISTORY) is None:
        if job.champion is not None:
            job.checkpoints.save(CHAMPION, job.champion.weights)
        plan, workers = Plan.of(job), Workers(minimum=job.minimum_workers or job.workers, maximum=job.workers)
        if job.workers > 1 and RAY_ADDRESS.read():
            _fit_on_ray(job, plan, build, workers)
        elif plan.strategy == "fsdp":
            raise cannot_shard("this process is of no Ray job", "set SLIPSTREAM_JOB_BACKEND=ray")
        else:
            _fit_here(job, plan, build, workers)
    job.interruptions.extend(Account(job.checkpoints).entries)
    collect(job)


def _fit_here(job: TrainingJob, plan: Plan, build: Build, workers: Workers) -> None:
    from include.backends.lightning.fit import Data, Hooks, Kept, Left, fit_here
    from include.backends.lightning.leaving import Agreement, Pace

    if workers.elastic and workers.minimum > 1:
        raise SpecError(
            f"The fit wants {workers} workers, and here is one process: only a Ray cluster has more.",
            seen={"training.workers": str(workers)},
            safe="nothing was trained; checkpoints that exist are kept.",
            hint="run it on the job backend ray, or allow for one: Workers(minimum=1, ...).",
        )
    asked, account = threading.Event(), Account(job.checkpoints)
    hooks = Hooks([Pace(lambda: account.resume(1)), *_rungs(job, plan, build)], Agreement(asked))
    try:
        with on_sigterm(asked):
            fit_here(plan, build, Data(job.train, job.validation), Kept(job.checkpoints, job.spool), Place(), hooks)
    except Left as left:
        account.stop(left.step)
        pass_on()
        raise left_at(left.step) from None


def _rungs(job: TrainingJob, plan: Plan, build: Build) -> list[Callback]:
    """What a trial of a search is measured by."""
    if job.rung is None:
        return []
    from include.backends.lightning.rungs import RungCallback

    return [RungCallback(job.rung, plan, build, job.train, job.validation)]


def _fit_on_ray(job: TrainingJob, plan: Plan, build: Build, workers: Workers) -> None:
    from include.backends.ray.crew import Crew
    from include.backends.ray.elastic import Elastic
    from include.backends.ray.member import Work
    from include.backends.ray.rows import hand_over

    attach()
    rows = [hand_over(rows) for rows in (job.train, job.validation)]
    metrics = job.spool.folder if job.spool else ""
    work = Work(plan, build, rows, job.checkpoints.storage.root, job.checkpoints.folder, metrics, code_check.checked())
    asked = threading.Event()
    told = job.spool.append if job.spool else None
    with on_sigterm(asked):
        Elastic(Crew(work, workers, job.needs.resources), job.checkpoints, asked, job.needs.until, told).run()


def attach() -> None:
    """Join the cluster this job runs on. Never starts one: an address is always given."""
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # what one worker says does not stand for another; read when Ray is imported
    import ray

    address = RAY_ADDRESS.read()
    # With two clusters on a host its workers need to be told which.
    runtime_env = {"env_vars": {RAY_ADDRESS.name: address}}
    try:
        ray.init(address=address, runtime_env=runtime_env, ignore_reinit_error=True, configure_logging=False)
    except ConnectionError as error:
        raise UnreachableError(
            f"No Ray cluster answers at {address}.", safe="nothing was started.", hint="check RAY_ADDRESS, or start the Ray head."
        ) from error


def collect(job: TrainingJob) -> None:
    """Take what rank 0 left: the model, its history and its validation scores."""
    scores, history = (job.checkpoints.load(name) for name in (SCORES, HISTORY))
    if scores is None or history is None or not job.checkpoints.load_file(MODEL, job.model_path):
        raise JobFailedError(
            "Training ended without a model that matches its digest.",
            seen=job.checkpoints.steps(),
            safe="the step checkpoints are kept.",
            hint="the next attempt resumes from the newest.",
        )
    if (trained := job.checkpoints.load(TRAINED)) is not None:
        job.weights_path.write_bytes(trained)
    if (spent := job.checkpoints.load(PRIVACY)) is not None:
        job.spent.update(json.loads(spent))
    if (begun := job.checkpoints.load(BEGUN)) is not None:
        job.begun.append(Begun.from_json(json.loads(begun)))
    job.expect(np.frombuffer(scores, dtype=np.float32).reshape(job.problem.shape(len(job.validation))))
    for row in json.loads(history):
        job.report({name: value for name, value in row.items() if name != "step"}, row["step"])
