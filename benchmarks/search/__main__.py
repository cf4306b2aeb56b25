"""`python -m benchmarks.search [--seeds N] [--rows N]`: TPE with ASHA against a grid and random search, on real flights.

All have the epochs of 24 whole fits. What is compared is the validation loss of the best trial that was fitted to its end, and
the processor time of the fits (this machine is shared, its clock says little). Goals: a better loss than both in at least 8 of
10 seeds; and a better loss than both by a third of their time in at least 8 of 10. A seed is that of the suggestions and of the
fits. The rows are a sample, so that ten seeds take half an hour. Ours tries the spec's own parameters first, as every search by
`tpe` does; the others do not.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.search.flights import BUDGET, EPOCHS, GRID, PARAMS, SPACE, TRIALS, Run, material, reseeded, searched
from benchmarks.table import Table
from include.core.digest import PROJECT
from include.core.spec.search import Search
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.search.leg import Material

SHARE = 0.8  # of the seeds
THIRD = 1 / 3
# Epochs. Chosen on October and November, which judge nothing: after one epoch of nine, at a rate that falls over all nine, those
# lead that learn fast and end worse.
FIRST_RUNG = 3


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=24_000)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    table = Table()
    with tempfile.TemporaryDirectory() as scratch:
        given = material(PROJECT / ".slipstream" / "bench-search", options.rows, 0)
        table.head(
            f"flight_delay, {len(given.train):,} rows to fit and {len(given.validation):,} to measure on: {BUDGET} epochs each"
        )
        warm(given, Path(scratch))
        runs = [_seed(given, seed, Path(scratch), table) for seed in range(options.seeds)]
        judge(table, runs)
        overhead(table, given, Path(scratch), [run["random search"] for run in runs])
    return 1 if table.missed else 0


def warm(given: Material, scratch: Path) -> None:
    """Imports and first calls are no search's."""
    searched(Search(space=SPACE, algorithm="random", trials=1), given, scratch / "warm")


def _seed(given: Material, seed: int, scratch: Path, table: Table) -> dict[str, Run]:
    asked = {
        "grid": Search(space=GRID, algorithm="grid", trials=TRIALS, seed=seed),
        "random search": Search(
            space=SPACE, algorithm="random", trials=TRIALS, seed=1000 + seed
        ),  # else its first points are TPE's
        "TPE with ASHA": Search(
            space=SPACE, scheduler="asha", min_epochs=FIRST_RUNG, trials=10 * TRIALS, epochs=BUDGET, seed=seed
        ),
    }
    runs = {name: searched(each, reseeded(given, seed), scratch / f"{seed}-{name}") for name, each in asked.items()}
    told = "; ".join(f"{name} {run.loss:.5f} in {run.seconds:.1f} s ({len(run.trials)} trials)" for name, run in runs.items())
    ours, theirs = runs["TPE with ASHA"], [runs["grid"], runs["random search"]]
    beaten = ours.beaten(min(run.loss for run in theirs)) / _time(theirs)
    table.say(f"seed {seed}: {told}; both beaten after {beaten:.2f} of their time")
    return runs


def judge(table: Table, runs: Sequence[dict[str, Run]]) -> None:
    least = SHARE * len(runs)
    better, early = 0, 0
    shares = []
    for each in runs:
        ours, theirs = each["TPE with ASHA"], [each["grid"], each["random search"]]
        bar = min(run.loss for run in theirs)
        better += ours.loss < bar
        early += ours.within(_time(theirs) * THIRD) < bar
        shares.append(ours.beaten(bar) / _time(theirs))
    for name in ("grid", "random search"):
        gap = median(each[name].loss - each["TPE with ASHA"].loss for each in runs)
        table.row(f"median loss of {name} above ours, at the same epochs", gap, "")
        ahead = sum(each["TPE with ASHA"].loss < each[name].loss for each in runs)
        table.row(f"seeds with a better loss than {name}, of {len(runs)}", ahead, "seeds")
    table.row("median share of their time until both are beaten", median(shares), "")
    table.row(f"seeds with a better loss than both at the same epochs, of {len(runs)}", better, "seeds", least=least)
    table.row(f"seeds with a better loss than both in a third of their time, of {len(runs)}", early, "seeds", least=least)


def overhead(table: Table, given: Material, scratch: Path, randoms: Sequence[Run]) -> None:
    """What a trial costs over a plain fit of the same epochs: `fit_lightning` as `train` calls it, which also writes a model."""
    from include.models.flight_delay.train import fit

    plain = []
    for number in range(3):
        store = CheckpointStore(LocalStorage(scratch), f"plain-{number}")
        job = TrainingJob(given.train, given.validation, given.signature, PARAMS, store, scratch / "plain.onnx", number)
        began = time.process_time()
        fit(job)
        plain.append(time.process_time() - began)
    whole = [searched(Search(space={"dropout": SPACE["dropout"]}, algorithm="random", trials=1, seed=n), given,
                      scratch / f"one-{n}").seconds for n in range(3)]  # fmt: skip
    halved = [searched(Search(space={"dropout": SPACE["dropout"]}, algorithm="grid", scheduler="asha", trials=3, reduction=3,
                              seed=n), given, scratch / f"three-{n}") for n in range(1)]  # fmt: skip
    table.head(f"a trial of {EPOCHS} epochs, in seconds of the processor")
    table.row("a plain fit, its model written", median(plain), "s")
    table.row("a trial in one leg, its record written", median(whole), "s")
    table.row("over a plain fit", median(whole) - median(plain), "s", most=1.0)
    epochs = sum(leg.until - leg.start for trial in halved[0].trials for leg, _ in trial.legs)
    per_epoch = median(whole) / EPOCHS
    legs = sum(len(trial.legs) for trial in halved[0].trials)
    table.row("a leg more, where a trial stops at a rung", (halved[0].seconds - epochs * per_epoch) / legs, "s")
    table.row("a trial of random search, on average", median(run.seconds / len(run.trials) for run in randoms), "s")


def _time(theirs: Sequence[Run]) -> float:
    """Of the faster of both."""
    return min(run.seconds for run in theirs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
