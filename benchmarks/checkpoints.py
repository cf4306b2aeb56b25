"""Kills and bit flips in checkpoints: what every resumed fit loads, redoes and ends with, against an undisturbed twin.

Each trial is a fit in a process of its own that is killed with SIGKILL (in the middle of a write, before or after the
rename, between two steps; some twice); then, in half of the trials, the newest checkpoints are torn or lose a bit;
then it is resumed to its end. TMPDIR lies on another filesystem where there is one.

Goals: 0 bad resumes (a state that is not the twin's at that step, or final weights that are not bit-equal to the
twin's); at most one checkpoint interval redone for a kill, and one more for each checkpoint that was damaged.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from include.backends.lightning.plan import Course, Place, Plan
from include.core.storage import LocalStorage, Storage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows
from include.training.spool import MetricSpool

if TYPE_CHECKING:
    import pytorch_lightning as pl

EVERY, STEPS_PER_EPOCH, EPOCHS = 4, 10, 3
STEPS = STEPS_PER_EPOCH * EPOCHS
KILLS = ("in the write", "before the rename", "after the rename", "between steps")
DAMAGE = ("none", "none", "torn", "flipped", "two flipped")
FORK = get_context("fork")


@dataclass(frozen=True)
class Death:
    """Where a process kills itself: at the n-th event of a kind."""

    kind: str
    count: int


@dataclass(frozen=True)
class Trial:
    seed: int
    deaths: tuple[Death, ...]
    damage: str

    @classmethod
    def of(cls, seed: int) -> Trial:
        draw = random.Random(seed)
        deaths = []
        for _ in range(draw.choice((1, 1, 2))):
            kind = draw.choice(KILLS)
            deaths.append(Death(kind, draw.randrange(1, STEPS if kind == "between steps" else STEPS // EVERY)))
        return cls(seed, tuple(deaths), draw.choice(DAMAGE))


def plan() -> Plan:
    params = {"hidden": 8, "dropout": 0.1, "bins": 2, "learning_rate": 1e-2, "epochs": EPOCHS, "batch_size": 32}
    course = Course(32 * STEPS_PER_EPOCH, 32, EPOCHS, seed=7)
    return Plan((Input("wind"), Input("carrier", 4)), params, course, EVERY, track_every=1)


def data(rows: int, seed: int) -> Rows:
    draw = np.random.default_rng(seed)
    features = np.stack([draw.normal(size=rows), draw.integers(0, 4, rows)], axis=1).astype(np.float32)
    return Rows(features, (draw.random(rows) < 0.5).astype(np.float32))


def fit(folder: Path, death: Death | None = None) -> None:
    """The fit without its export, to the end or to the death; appends the step it resumed from to `starts`."""
    from include.backends.lightning import fit as lightning_fit
    from include.models.flight_delay.train import build

    storage = LocalStorage(folder)
    store, spool = CheckpointStore(storage, "checkpoints"), MetricSpool(storage, "metrics", flush_seconds=0.05)
    found = store.newest()
    with (folder / "starts").open("a") as starts:
        starts.write(json.dumps([found[0] if found else 0, store.steps()]) + "\n")
    if death:
        arm(death)
    lightning_fit._leave = lambda *_: None
    course = lightning_fit.Data(data(plan().course.rows, 1), data(64, 2))
    lightning_fit.fit_here(plan(), build, course, lightning_fit.Kept(store, spool), Place())
    spool.close()


def arm(death: Death) -> None:
    """Have this process kill itself."""
    import include.backends.lightning.checkpoint as callbacks
    import include.core.storage as storage

    seen: Counter[str] = Counter()

    def reached(kind: str) -> bool:
        seen[kind] += 1
        return death.kind == kind and seen[kind] >= death.count

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    save, replace, write = CheckpointStore.save_step, os.replace, storage._write_synced
    start = callbacks.StepCheckpoint.on_train_batch_start

    def half_write(path: Path, content: bytes) -> None:
        if len(content) > 5000 and reached("in the write"):  # a checkpoint, no batch of metrics
            path.write_bytes(content[: len(content) // 2])
            die()
        write(path, content)

    def no_rename(source: Path, target: Path) -> None:
        if "step-" in str(target) and reached("before the rename"):
            die()
        replace(source, target)

    def save_and_die(store: CheckpointStore, step: int, content: bytes) -> None:
        save(store, step, content)
        if reached("after the rename"):
            die()

    def no_step(callback: callbacks.StepCheckpoint, trainer: pl.Trainer, *others: object) -> None:
        step = callback._step(trainer) - 1  # batches that are done
        with Path(os.environ["REACHED"]).open("a") as file:
            file.write(f"{step}\n")
        if reached("between steps"):
            die()
        start(callback, trainer, *others)

    substitute(storage, "_write_synced", half_write)
    substitute(os, "replace", no_rename)
    substitute(CheckpointStore, "save_step", save_and_die)
    substitute(callbacks.StepCheckpoint, "on_train_batch_start", no_step)


def substitute(owner: object, name: str, by: object) -> None:
    """For the rest of this process, which is a trial's own."""
    setattr(owner, name, by)


def in_process(target: Callable[..., None], *arguments: object) -> int:
    child = FORK.Process(target=target, args=arguments)
    child.start()
    child.join(120)
    if child.is_alive():
        child.kill()
        child.join()
    return int(child.exitcode or 0)


def checkpoints(folder: Path) -> list[Path]:
    """Step checkpoints, newest first."""
    return sorted((folder / "checkpoints").glob("step-*"), reverse=True)


def damage(folder: Path, kind: str, draw: random.Random) -> int:
    """Tear or flip the newest checkpoints; returns how many."""
    victims = checkpoints(folder)[: {"none": 0, "two flipped": 2}.get(kind, 1)]
    for path in victims:
        content = bytearray(path.read_bytes())
        if kind == "torn":
            del content[draw.randrange(len(content)) :]
        else:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    return len(victims)


def weights(folder: Path, step: int) -> dict[str, bytes] | None:
    """Model and optimizer of a verified checkpoint, as bytes."""
    from include.backends.lightning.state_file import read_state

    found = CheckpointStore(LocalStorage(folder), "checkpoints").load_step(step)
    if found is None:
        return None
    state = read_state(found)
    assert state is not None, "a checkpoint of another form"
    trained = state["trainer"]  # Lightning's own; the one of a finished fit holds the weights alone
    optimizers = trained.get("optimizer_states", ())
    moments = {
        f"{n}.{i}.{name}": value
        for n, optimizer in enumerate(optimizers)
        for i, each in optimizer["state"].items()
        for name, value in each.items()
    }
    return {name: value.numpy().tobytes() for name, value in {**trained["state_dict"], **moments}.items()}


def run_trial(trial: Trial, twin: dict[int, dict[str, bytes]], root: Path, counts: Counter[str]) -> list[str]:
    """What went wrong; empty if nothing did. Counts the deaths that happened and what was damaged."""
    folder, draw, wrong = root / f"trial-{trial.seed}", random.Random(trial.seed + 1), []
    folder.mkdir()
    os.environ["REACHED"] = str(folder / "reached")
    for death in trial.deaths:
        code = in_process(fit, folder, death)
        wrong += [] if code in (-signal.SIGKILL, 0) else [f"{death} ended with {code}"]
        hurt = damage(folder, trial.damage, draw)
        counts.update([death.kind] * (code != 0) + [trial.damage] * hurt)
        reached = [int(line) for line in (folder / "reached").read_text().split()] if (folder / "reached").exists() else [0]
        found = CheckpointStore(LocalStorage(folder), "checkpoints").newest()
        resumed = found[0] if found else 0
        if resumed and weights(folder, resumed) != twin[resumed]:
            wrong.append(f"the state of step {resumed} is not the twin's")
        if code and reached[-1] + 1 - resumed > EVERY * (1 + hurt) + 1:
            wrong.append(f"{reached[-1] - resumed} steps are redone after {death} with {hurt} damaged")
    if (code := in_process(fit, folder)) != 0:
        wrong.append(f"the last attempt ended with {code}")
    elif weights(folder, STEPS) != twin[STEPS]:
        wrong.append("the final weights are not the twin's")
    wrong += metrics_wrong(folder)
    shutil.rmtree(folder)
    return wrong


def metrics_wrong(folder: Path) -> list[str]:
    """Every step's loss is in the spool once."""
    rows = [row for _, batch in MetricSpool(LocalStorage(folder), "metrics").read() for row in batch]
    steps = sorted(step for step, _, metrics in rows if "step_loss" in metrics)
    return [] if steps == list(range(1, STEPS + 1)) else [f"metrics of steps {steps}"]


def twin_of(root: Path) -> dict[int, dict[str, bytes]]:
    """Every checkpoint of an undisturbed fit, by step."""
    keep, CheckpointStore.keep = CheckpointStore.keep, 10**6
    folder = root / "twin"
    folder.mkdir()
    try:
        assert in_process(fit_all, folder) == 0
    finally:
        CheckpointStore.keep = keep
    steps = [int(path.name[5:14]) for path in checkpoints(folder)]
    return {step: held for step in steps if (held := weights(folder, step)) is not None}


def fit_all(folder: Path) -> None:
    keep = CheckpointStore.__init__

    def keeping(store: CheckpointStore, storage: Storage, name: str) -> None:
        keep(store, storage, name, keep=10**6)

    substitute(CheckpointStore, "__init__", keeping)
    fit(folder)


def other_filesystem(home: Path) -> str:
    """A folder for TMPDIR that a rename into `home` cannot reach, where this machine has one."""
    for place in (Path("/dev/shm"), Path("/run"), Path("/var/tmp")):
        if place.is_dir() and os.access(place, os.W_OK) and place.stat().st_dev != home.stat().st_dev:
            return tempfile.mkdtemp(prefix="slipstream-", dir=place)
    return ""


def series(trials: int, first: int = 0) -> Counter[str]:
    """Runs the trials; prints each that went wrong with its seed."""
    logging.disable(logging.WARNING)
    import include.backends.lightning.fit  # noqa: F401 - before the forks

    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        root, elsewhere = Path(scratch), other_filesystem(Path(scratch))
        if elsewhere:
            os.environ["TMPDIR"] = tempfile.tempdir = elsewhere
        twin = twin_of(root)
        for seed in range(first, first + trials):
            trial = Trial.of(seed)
            wrong = run_trial(trial, twin, root, counts)
            counts.update(["trials", *["bad"] * bool(wrong)])
            if wrong:
                print(f"{trial}: {'; '.join(wrong)}   again: python -m benchmarks.checkpoints --trials 1 --first {seed}")
        tempfile.tempdir = None
        os.environ.pop("TMPDIR", None)
        if elsewhere:
            shutil.rmtree(elsewhere, ignore_errors=True)
            counts["TMPDIR elsewhere"] = trials
    logging.disable(logging.NOTSET)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    counts = series(options.trials, options.first)
    for name in (*(f"killed {kind}" for kind in KILLS), "torn", "flipped", "two flipped", "TMPDIR elsewhere"):
        print(f"{name:24}{counts[name.removeprefix('killed ')]:8}")
    print(f"{'':24}{'measured':>8}{'goal':>8}\n{'bad resumes':24}{counts['bad']:8}{0:8}   of {counts['trials']} trials")
    print("missed" if counts["bad"] else "met")
    return int(counts["bad"] > 0)


if __name__ == "__main__":
    sys.exit(main())
