"""The constants, chosen on simulated streams alone. Nothing in this file, or that it imports, reads a real stream.

`tune` replays every point of GRID on the streams of the seeds FITTED and prints what each costs; the point that is best there,
and, family by family, what the constants that are best on the other families cost on the one left out. `simulate` judges the
chosen constants on other seeds, with 95 percent intervals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import book
from benchmarks.policy.cases import PRICES, Case, first_policy, pay
from benchmarks.policy.matrices import drifted, kept
from benchmarks.policy.simulated import FAMILIES, simulated
from benchmarks.table import Table
from include.monitoring.retraining.labelled_stream import Floats
from include.monitoring.retraining.learner import CHOSEN, Tuning

FITTED, JUDGED = range(6), range(100, 108)  # seeds
DRAWN = (0.5, 0.95)
NOISE = 1.0  # retrains in 50 windows of one law, at most
GRID = (
    Tuning(0.3, 0.1, 0.9),
    Tuning(0.3, 0.3, 0.98),
    Tuning(0.3, 0.3, 0.998),
    Tuning(0.3, 0.3, 0.998, 0.7),
    Tuning(0.3, 1.0, 0.998),
    Tuning(1.0, 0.3, 0.98),
    Tuning(1.0, 0.3, 0.998),
)


def cases(seeds: range) -> Iterator[Case]:
    for each in simulated(seeds):
        error, alarms = kept(each.stream, each.delay), drifted(each.stream, each.delay)
        yield Case(each.family, each.stream.name, error, each.delay, alarms)


def tune() -> int:
    found = list(cases(FITTED))
    print(f"{len(found)} simulated streams, seeds {FITTED.start} to {FITTED.stop - 1}; mean regret over both prices\n")
    print(
        f"  {'rate':>6}{'careful':>9}{'first':>7}{'majority':>10}{'regret':>9}{'median':>9}"
        f"{'retrains in 50 windows of noise':>34}"
    )
    regret = np.array([_regret(found, tuning) for tuning in GRID])  # [point, case]
    for tuning, line in zip(GRID, regret, strict=True):
        noise = _noise(found, tuning)
        print(
            f"  {tuning.rate:6}{tuning.careful:9}{tuning.first:7}{tuning.majority:10}{line.mean():9.4f}{np.median(line):9.4f}"
            f"{noise:34.2f}",
            flush=True,
        )
    best = GRID[int(regret.mean(axis=1).argmin())]
    print(f"\nbest: {best}; chosen: {CHOSEN}")
    family = np.array([case.family for case in found])
    print("\nfitted on the other families, and judged on the one left out: mean regret (chosen constants)")
    for name in FAMILIES:
        picked = int(regret[:, family != name].mean(axis=1).argmin())
        mine = regret[GRID.index(CHOSEN)][family == name].mean() if CHOSEN in GRID else math.nan
        print(f"  {name:20}{regret[picked][family == name].mean():8.4f}  ({mine:.4f})")
    return 0


def simulate(seeds: range = JUDGED, *, write: bool = False) -> int:
    """The chosen constants on seeds that nothing was chosen on. 0 where noise is met with few retrains."""
    found, table = list(cases(seeds)), Table()
    names = ("ours", "worst", "first policy", "best clock of each", "beyond it", "retrains in 50", "oracle's")
    page: list[str] = []
    for price in PRICES:
        table.head(f"simulated, {len(seeds)} streams a family, price {price:g}: mean regret with its 95 percent interval")
        print(f"  {'family':20}" + "".join(f"{name:>20}" for name in names))
        rows = [_family(family, [case for case in found if case.family == family], price, table) for family in FAMILIES]
        page += [f"Price {price:g}; {len(seeds)} streams a family.", "", *book.table(("family", *names), rows), ""]
    if write:
        book.write("policy simulate", page)
    print("\nmet" if not table.missed else f"\nmissed: {'; '.join(table.missed)}")
    return int(bool(table.missed))


def _family(family: str, found: Sequence[Case], price: float, table: Table) -> list[str]:
    """A line: what is printed, and what the page has."""
    paid = [pay(case, price) for case in found]
    best = np.array([case.oracle(price).cost for case in found])
    first = np.array([first_policy(case, price).cost for case in found]) / best - 1
    clock = np.array([case.clock(price)[1] for case in found]) / best - 1
    retrains = np.array([one.retrains / len(one.case.error) * 50 for one in paid])
    theirs = np.array([len(case.oracle(price).retrained) / len(case.error) * 50 for case in found])
    told = [_interval([one.regret for one in paid]), f"{max(one.regret for one in paid):.3f}", _interval(first), _interval(clock),
            _interval([one.over for one in paid]), _interval(retrains), f"{theirs.mean():.1f}"]  # fmt: skip
    print(f"  {family:20}" + "".join(f"{each:>20}" for each in told), flush=True)
    if family == "pure noise":
        table.row(f"retrains in 50 windows of {family}, price {price:g}", float(retrains.mean()), "", most=NOISE)
    return [family, *told]


def _interval(values: Sequence[float] | Floats) -> str:
    """Mean and half the width of its 95 percent interval."""
    found = np.asarray(values)
    return f"{found.mean():.3f} ± {1.96 * found.std(ddof=1) / math.sqrt(len(found)):.3f}"


def _regret(found: Sequence[Case], tuning: Tuning) -> Floats:
    """[case]: the mean over prices and DRAWN."""
    asked = [(price, draw) for price in PRICES for draw in DRAWN]
    runs = [[case.ours(p, d, tuning).cost / case.oracle(p).cost - 1 for p, d in asked] for case in found]
    means: Floats = np.array(runs).mean(axis=1)
    return means


def _noise(found: Sequence[Case], tuning: Tuning) -> float:
    still = [case for case in found if case.family == "pure noise"]
    counts = [len(case.ours(price, 0.5, tuning).retrained) / len(case.error) * 50 for case in still for price in PRICES]
    return float(np.mean(counts))
