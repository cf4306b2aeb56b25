"""The policy on real streams: each, the mean, the worst, beside every other policy; and what fitting its constants here gives.

Nothing here chooses anything: the constants are those that `tune` found on simulated streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import book
from benchmarks.policy.cases import PRICES, Case, Paid, first_policy, pay
from benchmarks.policy.matrices import drifted, kept
from benchmarks.policy.peers import peers
from benchmarks.policy.streams import packaged
from benchmarks.policy.tune import GRID
from benchmarks.table import Table
from include.monitoring.retraining.labelled_stream import Floats, Stream
from include.monitoring.retraining.policy_replay import DELAY, Policy, Replay, account, every, never, replay

MEAN, WORST, CLOCK = 0.08, 0.20, 0.03  # the goals: regret, and beyond the best fixed clock
PLAIN: dict[str, Policy] = {"never": never, "every window": every(1), "every 5 windows": every(5)}


@dataclass(frozen=True)
class Judged:
    """A stream's case, and the windows before which each other policy retrains: they know no price, and are asked once."""

    case: Case
    others: dict[str, tuple[int, ...]]


def judge(streams: Sequence[Stream], learner: Callable[[], Any] | None = None, *, write: bool = False) -> int:
    """0 where every goal is met."""
    found = [_judged(stream, learner) for stream in streams]
    table = Table()
    for price in PRICES:
        _price(found, price, table, goals=learner is None)
    counted = [each.case for each in found if not each.case.kin]
    left = _left_out(counted, table) if learner is None else []
    if write:
        book.write("policy judge", _page(counted, left))
    print("\nmet" if not table.missed else f"\nmissed: {'; '.join(table.missed)}")
    return int(bool(table.missed))


def real(given: Sequence[Stream]) -> Iterator[Stream]:
    yield from packaged()
    yield from given


def _judged(stream: Stream, learner: Callable[[], Any] | None) -> Judged:
    error = kept(stream, DELAY, learner)
    case = Case("real", stream.name, error, DELAY, drifted(stream, DELAY), stream.kin)
    fresh, kin = float(np.diagonal(error).mean()), f", kin of {stream.kin}" if stream.kin else ""
    print(
        f"  {stream.name}: {len(stream.label):,} rows, {len(error)} windows served, error when fresh {fresh:.4f}{kin}", flush=True
    )
    asked = {} if stream.kin else {**PLAIN, **peers(stream)}
    return Judged(case, {name: replay(error, policy, 0.0).retrained for name, policy in asked.items()})


def _price(found: Sequence[Judged], price: float, table: Table, goals: bool) -> None:
    table.head(f"price {price:g}")
    print(f"  {'stream':22}{'regret':>8}{'worst draw':>12}{'second half':>12}{'retrains':>10}{'oracle':>8}{'first policy':>14}"
          f"{'best clock':>14}{'beyond it':>11}")  # fmt: skip
    paid = [pay(each.case, price) for each in found]
    for one in paid:
        _line(one, price)
    counted = [(each, one) for each, one in zip(found, paid, strict=True) if not one.case.kin]
    _others(counted, price)
    limits = (MEAN, WORST, CLOCK) if goals else (None, None, None)
    table.row(f"mean regret, price {price:g}", float(np.mean([one.regret for _, one in counted])), "", most=limits[0])
    worst = max(counted, key=lambda pair: pair[1].regret)[1]
    table.row(f"worst regret, price {price:g}: {worst.case.name}", worst.regret, "", most=limits[1])
    dear = max(counted, key=lambda pair: pair[1].over)[1]
    table.row(f"beyond the best fixed clock at most, price {price:g}: {dear.case.name}", dear.over, "", most=limits[2])


def _line(one: Paid, price: float) -> None:
    best, first = one.case.oracle(price), first_policy(one.case, price).cost
    clock, _ = one.case.clock(price)
    half = _second_half(one.case, one.case.ours(price, 0.5), best, price)
    print(f"  {one.case.name:22}{one.regret:8.3f}{one.worst:12.3f}{half:12.3f}{one.retrains:10.1f}{len(best.retrained):8}"
          f"{first / best.cost - 1:14.3f}{clock:>14}{one.over:11.3f}{'  (kin)' if one.case.kin else ''}", flush=True)  # fmt: skip


def _second_half(case: Case, ours: Replay, theirs: Replay, price: float) -> float:
    """The regret of the windows of the second half alone."""
    middle, costs = len(case.error) // 2, []
    for run in (ours, theirs):
        champions = np.maximum.accumulate([t if t in run.retrained else 0 for t in range(len(case.error))])
        served = sum(case.error[champions[t], t] for t in range(middle, len(case.error)))
        costs.append(served + price * sum(t >= middle for t in run.retrained))
    return float(costs[0] / costs[1]) - 1


def _others(counted: Sequence[tuple[Judged, Paid]], price: float) -> None:
    """Mean cost and regret of every policy."""
    print(f"\n  {'mean of ' + str(len(counted)) + ' streams':34}{'cost':>8}{'regret':>9}{'worst':>8}{'retrains':>10}")
    best = np.array([one.case.oracle(price).cost for _, one in counted])

    def told(name: str, costs: Sequence[float], retrains: float) -> None:
        regret = np.array(costs) / best - 1
        print(f"  {name:34}{np.mean(costs):8.4f}{regret.mean():9.4f}{regret.max():8.3f}{retrains:10.0f}", flush=True)

    told("ours (retraining.price)", [one.cost for _, one in counted], sum(one.retrains for _, one in counted))
    runs = [first_policy(one.case, price) for _, one in counted]
    told("the release before", [run.cost for run in runs], sum(len(run.retrained) for run in runs))
    for name in counted[0][0].others:
        runs = [account(one.case.error, each.others[name], price) for each, one in counted]
        told(name, [run.cost for run in runs], sum(len(run.retrained) for run in runs))
    told("best fixed clock of each", [one.case.clock(price)[1] for _, one in counted], float("nan"))
    told("oracle", best.tolist(), sum(len(one.case.oracle(price).retrained) for _, one in counted))


def _left_out(cases: Sequence[Case], table: Table) -> list[Floats]:
    """Each stream under the constants of GRID that do best on the other streams: what the choice on simulations leaves unused.
    Regret of PRICES and cases."""
    if len(cases) < 2:
        return []
    table.head("constants fitted on the other streams, and judged on the one left out: mean regret")
    found = []
    for price in PRICES:
        best = np.array([case.oracle(price).cost for case in cases])
        costs = np.array([[case.ours(price, 0.5, tuning).cost for case in cases] for tuning in GRID])
        regret = costs / best - 1
        picked = [int(np.argmin(np.delete(regret, n, axis=1).mean(axis=1))) for n in range(len(cases))]
        left = np.array([regret[choice, n] for n, choice in enumerate(picked)])
        each = ", ".join(f"{case.name} {value:.3f}" for case, value in zip(cases, left, strict=True))
        table.row(f"price {price:g}: {each}", float(left.mean()), "")
        found.append(left)
    return found


def _page(cases: Sequence[Case], left: Sequence[Floats]) -> Iterator[str]:
    """The page's tables, one a price; kin are not counted."""
    head = (
        "stream",
        "regret",
        "best clock",
        "beyond it",
        "first policy",
        "constants of the other streams",
        "retrains",
        "oracle's",
    )
    for number, price in enumerate(PRICES):
        paid, best = [pay(case, price) for case in cases], np.array([case.oracle(price).cost for case in cases])
        first = np.array([first_policy(case, price).cost for case in cases]) / best - 1
        clock = np.array([case.clock(price)[1] for case in cases]) / best - 1
        fitted = left[number] if len(left) else np.full(len(cases), np.nan)
        rows = [
            (f"{case.name} ({case.clock(price)[0]})", one.regret, float(clock[n]), one.over, float(first[n]), float(fitted[n]),
             f"{one.retrains:.0f}", len(case.oracle(price).retrained))
            for n, (case, one) in enumerate(zip(cases, paid, strict=True))
        ]  # fmt: skip
        means = [
            float(np.mean(each)) for each in ([one.regret for one in paid], clock, [one.over for one in paid], first, fitted)
        ]
        yield from (f"Price {price:g}; in brackets the best clock.", "", *book.table(head, [*rows, ("mean", *means, "", "")]), "")


def streams_of(paths: Sequence[str]) -> Iterator[Stream]:
    """See `benchmarks/policy/__main__.py` for the conventions."""
    from include.monitoring.retraining.labelled_stream import from_csv

    for text in paths:
        place, _, rest = text.partition(":")
        label, _, rows = rest.partition(":")
        path = Path(place)
        for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
            yield from_csv(file, label or _label(file), int(rows) if rows else _rows(file))


NAMES = ("label", "target", "class", "y")
USUAL, FEWEST = 100, 100  # windows of a stream, rows of a window


def _label(file: Path) -> str:
    with file.open() as lines:
        names = [name.strip().strip('"') for name in lines.readline().split(",")]
    return next((name for name in NAMES if name in names), names[-1])


def _rows(file: Path) -> int:
    with file.open() as lines:
        return max((sum(1 for _ in lines) - 1) // USUAL, FEWEST)
