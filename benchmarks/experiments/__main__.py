"""Experiments, simulated: false findings under daily looks, power beside a test done once, CUPED's gain, the sample ratio.

    python -m benchmarks.experiments [--experiments 1000]

Asks include/experiments as it ships. The peer is what most people do: a z-test, done once at the planned end, or at every look.
Exits non-zero where a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.experiments.draws import Draw, binary, clustered, correlated, heavy
from benchmarks.table import Table
from include.experiments.effect import Effect, effect
from include.experiments.sample_ratio import sample_ratio_p

ALPHA, DAYS, A_DAY, AT_ONCE = 0.05, 28, 100, 250
SRM_ALPHA = 0.01
ENTITIES, SRM_LOOKS, SRM_RUNS = 200_000, 200, 1000
CORRELATION = 0.5
WITHIN = 0.8  # of the power of a test that is done once, which nobody may look at before

KINDS: dict[str, tuple[Draw, bool, float]] = {  # draw, CUPED, the effect of the power cells
    "binary, 5 %": (binary(0.05), False, 0.016),
    "binary, 0.2 %": (binary(0.002), False, 0.004),
    "continuous, heavy tail, cut": (heavy, False, 0.75),
    "requests of entities (clusters)": (clustered, False, 0.016),
    "correlated with the time before, CUPED": (correlated(CORRELATION), True, 0.07),
}


@dataclass(frozen=True)
class Rates:
    """Shares of simulated experiments that find a difference; `days`: the median day on which it is found."""

    ours: float
    once: float
    each_look: float
    days: float


def run(draw: Draw, cuped: bool, more: float, experiments: int, seed: int) -> Rates:
    rng, found, once, each = np.random.default_rng(seed), [], [], []
    for start in range(0, experiments, AT_ONCE):
        shape = min(AT_ONCE, experiments - start), DAYS * A_DAY
        seen = _looks(draw, rng, shape, more, cuped)
        naive = np.nan_to_num(_z_test(seen), nan=1.0)
        found.append(seen.p <= ALPHA)
        once.append(naive[:, -1] <= ALPHA)
        each.append((naive <= ALPHA).any(axis=1))
    ours, hits = np.concatenate(found), np.concatenate(found).any(axis=1)
    days = float(np.median(ours[hits].argmax(axis=1) + 1)) if hits.any() else float("nan")
    return Rates(float(hits.mean()), float(np.concatenate(once).mean()), float(np.concatenate(each).mean()), days)


def _looks(draw: Draw, rng: np.random.Generator, shape: tuple[int, int], more: float, cuped: bool) -> Effect:
    control, treatment = (draw(rng, shape, each).looks(A_DAY) for each in (0.0, more))
    final = np.arange(1, DAYS + 1) == DAYS
    return effect(control, treatment, 2 * DAYS * A_DAY, ALPHA, cuped=cuped, final=final)


def _z_test(seen: Effect) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * ndtr(-np.abs(seen.difference / seen.error)))


def false_findings(table: Table, experiments: int) -> None:
    table.head(f"{experiments:,} A/A experiments of {DAYS} days, {A_DAY} entities an arm and day, a look each day")
    for seed, (name, (draw, cuped, _)) in enumerate(KINDS.items()):
        rates = run(draw, cuped, 0.0, experiments, seed)
        table.row(f"{name}: finds a difference", rates.ours, "", most=ALPHA)
        table.line("  a z-test at each look; once, at the end", f"{rates.each_look:12.3f}  {rates.once:.3f}")


def power(table: Table, experiments: int) -> None:
    table.head("with a difference: power beside a z-test done once at the end, on the same data")
    for seed, (name, (draw, cuped, more)) in enumerate(KINDS.items()):
        rates = run(draw, cuped, more, experiments, 100 + seed)
        table.row(f"{name}, +{more:g}: power, as a share of the other's", rates.ours / rates.once, "", least=WITHIN)
        table.line("  power; the other's; median day", f"{rates.ours:12.3f}  {rates.once:.3f}  {rates.days:.0f} of {DAYS}")


def cuped_gain(table: Table, experiments: int) -> None:
    table.head(f"CUPED at a correlation of {CORRELATION:g}: the variance falls by {CORRELATION**2:g}")
    rng = np.random.default_rng(7)
    both = [
        _looks(correlated(CORRELATION), rng, (AT_ONCE, DAYS * A_DAY), 0.0, True) for _ in range(max(1, experiments // AT_ONCE))
    ]
    told = float(np.mean([each.reduction[:, -1].mean() for each in both]))
    moved = np.concatenate([each.difference[:, -1] for each in both]).std()
    # What the estimates do, not what they say of themselves: their spread over the simulated experiments, beside the plain one's.
    plain = np.sqrt(2 / (DAYS * A_DAY))
    table.row("reduction by the estimates' own errors, as a share of theory", told / CORRELATION**2, "", least=0.9, most=None)
    table.row("the same, not above 1.1", told / CORRELATION**2, "", most=1.1)
    spread = (moved / plain) ** 2 / (1 - CORRELATION**2)
    table.row("variance of the estimates over experiments, as a share of theory", spread, "", most=1.1)


def sample_ratio(table: Table) -> None:
    table.head(f"sample ratio, planned 50:50, {ENTITIES:,} entities, {SRM_LOOKS} looks, alpha {SRM_ALPHA:g}")
    rng = np.random.default_rng(11)
    for share, goal in ((0.5, None), (0.51, 0.99), (0.505, None)):
        treated = np.cumsum(rng.binomial(ENTITIES // SRM_LOOKS, share, (SRM_RUNS, SRM_LOOKS)), axis=1)
        all_of = np.arange(1, SRM_LOOKS + 1) * (ENTITIES // SRM_LOOKS)
        found = (sample_ratio_p(all_of - treated, treated, 0.5) <= SRM_ALPHA).any(axis=1)
        name = f"share of the treatment {share:g}: found"
        if share == 0.5:
            table.row(name, float(found.mean()), "", most=SRM_ALPHA)
        else:
            table.row(name, float(found.mean()), "", least=goal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000, help="simulated experiments a cell")
    options = parser.parse_args()
    start, table = time.perf_counter(), Table()
    print(f"{options.experiments:,} experiments a cell; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    false_findings(table, options.experiments)
    power(table, options.experiments)
    cuped_gain(table, options.experiments)
    sample_ratio(table)
    print(f"\n{time.perf_counter() - start:.0f} s. Missed: {', '.join(table.missed) or 'none'}.")
    return 1 if table.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
