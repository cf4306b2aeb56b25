"""One worker of a fit: resume, train, and on rank 0 leave the ONNX model among the checkpoints."""

from __future__ import annotations

import gc
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch

from include.backends.lightning.checkpoint import Left, StepCheckpoint, seed_all
from include.backends.lightning.checks import check_module
from include.backends.lightning.data import BatchData
from include.backends.lightning.export import Probability, export, score
from include.backends.lightning.finite import FiniteLoss
from include.backends.lightning.loops import install_loops
from include.backends.lightning.plan import HISTORY, MODEL, SCORES, TRAINED, Build, Place, Plan
from include.backends.lightning.private import PoissonEpoch, Private, account_of
from include.backends.lightning.sharded.resume import agree_on_step
from include.backends.lightning.sharded.scores import score_together
from include.backends.lightning.sharded.strategy import Resumed, ShardedStrategy
from include.backends.lightning.state import restore
from include.backends.lightning.state_file import State, read_state
from include.backends.lightning.warm import begin, weights_of
from include.core.scratch import scratch_folder
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats, Rows
from include.training.spool import MetricSpool

__all__ = ["Data", "Hooks", "Kept", "Left", "fit_here"]


@dataclass(frozen=True)
class Data:
    train: Rows
    validation: Rows


@dataclass(frozen=True)
class Kept:
    """What outlives a kill of the fit."""

    checkpoints: CheckpointStore
    spool: MetricSpool | None = None  # rank 0 writes it


@dataclass(frozen=True)
class Hooks:
    """What the platform adds to a fit. Its callbacks are no part of the model: neither checked nor kept as state of the fit.

    `leaves` is asked by every worker after every batch, and must say the same to all of them: where it is true, the fit is
    saved as soon as it can be, and raises Left.
    """

    callbacks: Sequence[pl.Callback] = ()
    leaves: Callable[[], bool] | None = None


def fit_here(plan: Plan, build: Build, data: Data, kept: Kept, place: Place, hooks: Hooks = Hooks(), **trainer: Any) -> None:
    """Train to the end of the course as worker `place`; `trainer` are arguments of pl.Trainer, instead of ours or beside them.

    Raises Left where `hooks.leaves` has said so, with all that was done in a checkpoint.
    """
    _quiet()
    plan.devices.settle()
    seed_all(plan.course.seed)
    if plan.strategy == "fsdp":
        _fit_sharded(plan, build, data, kept, place, hooks, trainer)
        return
    module = build(plan, data.train.sample().features)
    check_module(module)
    store = kept.checkpoints
    state = _agree(store, place)
    checkpoint = StepCheckpoint(store, plan, place, state, kept.spool)
    private = account_of(plan, store, state, place)
    checkpoint.beside, checkpoint.leaves = (FiniteLoss(), *([private] if private else []), *hooks.callbacks), hooks.leaves
    checkpoint.spent = None if private is None else (lambda: [list(each) for each in private.spent])
    if state is None:
        begin(module, plan, store, place.rank == 0)
    if state and state.get("done"):
        module.configure_model()  # Lightning calls it before a fit, and there is none
        module.load_state_dict(state["trainer"]["state_dict"])
        restore(state["workers"][0], module, [])
    else:
        _train(module, plan, data, checkpoint, state, place, trainer, private)
        checkpoint.finish(module)
    if place.rank == 0:
        if kept.spool:
            kept.spool.flush()  # before HISTORY says that the fit is done
        if private is not None:
            private.leave()
        _leave(module, plan, data.validation, store, checkpoint)


def _fit_sharded(plan: Plan, build: Build, data: Data, kept: Kept, place: Place, hooks: Hooks, trainer: dict[str, Any]) -> None:
    """As above, where no worker has the model whole. Worker 0 writes its file from the blobs."""
    strategy: ShardedStrategy = trainer["strategy"]
    store, features = kept.checkpoints, data.train.sample().features
    try:
        checkpoint = _train_sharded(strategy.build(plan, build, features, place), plan, data, kept, place, hooks, trainer)
        scores = b"".join(
            score_together(strategy.whole, plan, rows.features, place).tobytes() for rows in data.validation.batches()
        )
    finally:
        strategy.release()
        gc.collect()
    if place.rank == 0:
        if kept.spool:
            kept.spool.flush()
        _leave_sharded(plan, build, features, store)
        store.save(SCORES, scores)
        store.save(HISTORY, json.dumps(checkpoint.history).encode())


def _train_sharded(
    module: pl.LightningModule, plan: Plan, data: Data, kept: Kept, place: Place, hooks: Hooks, trainer: dict[str, Any]
) -> StepCheckpoint:
    check_module(module)
    strategy, store = trainer["strategy"], kept.checkpoints
    state = agree_on_step(store, place)
    strategy.resumed = Resumed(store, state, place) if state else None
    checkpoint = StepCheckpoint(store, plan, place, state, kept.spool)
    checkpoint.beside, checkpoint.leaves = (FiniteLoss(), *hooks.callbacks), hooks.leaves
    if state and state.get("done"):
        strategy.load(module, state["trainer"]["state_dict"])
        restore(state["workers"][0], module, [])
    else:
        _train(module, plan, data, checkpoint, state, place, {"inference_mode": False, **trainer})
        checkpoint.finish(module)
    return checkpoint


def _train(
    module: pl.LightningModule,
    plan: Plan,
    data: Data,
    checkpoint: StepCheckpoint,
    state: State | None,
    place: Place,
    more: dict[str, Any],
    private: Private | None = None,
) -> None:
    start = int(state["step"]) if state else 0
    rows = _sampler(plan, private, place)
    feed = BatchData(data.train, data.validation, plan.course, start, place, pinned=plan.devices.pinned, private=rows)
    trainer = _trainer(plan, checkpoint, **more)
    install_loops(trainer, checkpoint, plan.course.epochs)
    if state is None:
        trainer.fit(module, datamodule=feed)
        return
    with scratch_folder() as folder:  # Lightning reads its checkpoint from a file
        path = folder / "resumed.ckpt"
        torch.save(state["trainer"], path)
        trainer.fit(module, datamodule=feed, ckpt_path=path, weights_only=True)


def _sampler(plan: Plan, private: Private | None, place: Place) -> Callable[[int], PoissonEpoch] | None:
    """What draws the worker's rows of a private fit, from a step on."""
    return None if private is None else (lambda step: PoissonEpoch(plan.course, step, private.draws, place))


def _trainer(plan: Plan, checkpoint: StepCheckpoint, **more: Any) -> pl.Trainer:
    ours: dict[str, Any] = {
        **plan.devices.trainer(),
        "reload_dataloaders_every_n_epochs": 1,  # after a resume the first epoch's loader begins within it
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(max_epochs=plan.course.epochs, callbacks=[checkpoint, *checkpoint.beside], **{**ours, **more})


def _agree(store: CheckpointStore, place: Place) -> State | None:
    """The state to resume from. Rank 0 chooses the step, so that no two workers start from different ones."""
    found = store.newest() if place.rank == 0 else None
    if place.world == 1:
        return read_state(found[1]) if found else None
    chosen = [found[0] if found else None]
    torch.distributed.broadcast_object_list(chosen, 0)
    step = chosen[0]
    if step is None:
        return None
    data = found[1] if found else store.load_step(step)
    if data is None:
        raise RuntimeError(f"worker {place.rank} cannot read the checkpoint of step {step} that worker 0 resumes from")
    return read_state(data)


def _leave(module: pl.LightningModule, plan: Plan, validation: Rows, store: CheckpointStore, checkpoint: StepCheckpoint) -> None:
    model = Probability(module.cpu(), plan.inputs, plan.link)  # its weights are float32 whatever the fit computed in
    with scratch_folder() as folder:
        path = folder / MODEL
        export(model, len(plan.inputs), path, plan.outputs)
        store.save(MODEL, path.read_bytes())
    if plan.keeps_weights:
        store.save(TRAINED, weights_of(module, plan))
    store.save(SCORES, b"".join(score(model, rows.features).tobytes() for rows in validation.batches()))
    store.save(HISTORY, json.dumps(checkpoint.history).encode())


def _leave_sharded(plan: Plan, build: Build, features: Floats, store: CheckpointStore) -> None:
    from include.backends.lightning.sharded.export import export_rows  # what it needs is large, and the fit is over

    found = store.newest()
    assert found is not None
    state = read_state(found[1])
    assert state is not None
    with scratch_folder() as folder:
        path = folder / MODEL
        export_rows(plan, build, features, store, state, path)
        store.save_file(MODEL, path)


def _quiet() -> None:
    """Lightning's advice on loaders, loggers and hardware: chosen on purpose here."""
    for name in ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch|copyreg")
