"""When to retrain: every policy replayed on real streams, beside the best that was possible (dynamic programming).

    make bench AREA="policy [--csv FILE --label COLUMN --window ROWS]... [--forest] [--simulated]"

Labels come one window late, a model is trained on five windows. Cost: mean error + price x retrains / windows. Without --csv the
streams are those of installed packages; each --csv adds one. Goals, at prices .02 and .1: mean regret (cost / oracle's - 1) of
at most 5 and 8 percent, at most twice the oracle's retrains, a lower cost than every other policy. Streams marked as kin of
another are printed and not averaged. --simulated: the streams that the policy's constants were chosen on, instead.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.policy.peers import peers
from benchmarks.policy.simulated import simulated
from benchmarks.policy.streams import packaged
from include.core.spec import Serving
from include.monitoring.retraining.labelled_stream import Floats, Stream, from_csv
from include.monitoring.retraining.policy_replay import Policy, Replay, account, errors, every, never, oracle, priced, replay

THRESHOLD = Serving().threshold  # the streams have no spec of their own
OURS = "ours (retraining.price)"
PRICES = {0.02: 0.05, 0.1: 0.08}  # and the regret that is the goal
CLOCKS: dict[str, Policy] = {"never": never, "every window": every(1), "every 5 windows": every(5)}
Costs = dict[str, list[Replay]]  # by policy: a stream each
Case = tuple[Stream, Floats, dict[str, tuple[int, ...]]]  # with the windows before which each other policy retrains


def main() -> int:
    options = _options()
    if not len(options.csv) == len(options.label) == len(options.window):
        raise SystemExit("each --csv needs its --label and its --window")
    start, met = time.perf_counter(), True
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    learner = _forest if options.forest else None
    found = [_case(stream, errors(stream, THRESHOLD, learner)) for stream in _streams(options)]
    for stream, error, _ in found:
        kin = f", kin of {stream.kin}" if stream.kin else ""
        fresh = np.diagonal(error).mean()
        print(f"  {stream.name}: {len(stream.label):,} rows, {len(error)} windows served, error when fresh {fresh:.4f}{kin}")
    for price, goal in PRICES.items():
        met &= _price(found, price, goal, judged=not options.forest)
    print(f"\n{time.perf_counter() - start:.0f} s. {'met' if met else 'missed'}")
    return int(not met)


def _case(stream: Stream, error: Floats) -> Case:
    """The other policies know no price: they are asked once, and not at all where the stream is kin."""
    asked = {} if stream.kin else {**CLOCKS, **peers(stream)}
    return stream, error, {name: replay(error, policy, 0.0).retrained for name, policy in asked.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, action="append", default=[], help="rows in time order; repeat for more files")
    parser.add_argument("--label", action="append", default=[], help="its column of 0 and 1")
    parser.add_argument("--window", type=int, action="append", default=[], help="its rows a window")
    parser.add_argument("--forest", action="store_true", help="a boosted forest instead of logistic regression; no goals")
    parser.add_argument("--simulated", action="store_true", help="simulated streams only")
    return parser.parse_args()


def _streams(options: argparse.Namespace) -> Iterator[Stream]:
    if options.simulated:
        yield from simulated(5)
    else:
        yield from packaged()
    for path, label, rows in zip(options.csv, options.label, options.window, strict=True):
        yield from_csv(path, label, rows)


def _forest() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=7)


def _price(found: list[Case], price: float, goal: float, judged: bool) -> bool:
    """The tables of one price; whether its goals are met."""
    print(f"\nprice {price:g}, by stream: regret, retrains (oracle: cost, retrains)")
    costs: Costs = {OURS: []}
    best: list[Replay] = []
    for stream, error, others in found:
        ours, theirs = replay(error, priced, price), oracle(error, price)
        told = f"{ours.cost / theirs.cost - 1:+.3f} {len(ours.retrained):3}  ({theirs.cost:.4f} {len(theirs.retrained):3})"
        half = f"second half {_second_half(error, ours, theirs, price):+.3f}"
        print(f"  {stream.name:<24}{told}  {half}{'  (kin)' if stream.kin else ''}", flush=True)
        if not stream.kin:
            best.append(theirs)
            costs[OURS].append(ours)
            for name, retrained in others.items():
                costs.setdefault(name, []).append(account(error, retrained, price))
    print(f"\nprice {price:g}, mean of {len(best)} streams{'':11}cost   regret  retrains")
    for name, runs in costs.items():
        print(f"  {name:<32}{_cost(runs):.4f}  {_regret(runs, best):+.4f}  {_retrains(runs):5}")
    print(f"  {'oracle':<32}{_cost(best):.4f}           {_retrains(best):5}")
    return not judged or _goals(costs, best, goal)


def _goals(costs: Costs, best: list[Replay], goal: float) -> bool:
    mine, regret = _cost(costs[OURS]), _regret(costs[OURS], best)
    rival = min(_cost(runs) for name, runs in costs.items() if name != OURS)
    ratio = _retrains(costs[OURS]) / max(_retrains(best), 1)
    rows = [
        ("mean regret", f"{regret:.4f}", f"<= {goal:g}", regret <= goal),
        ("retrains, times the oracle's", f"{ratio:.2f}", "<= 2", ratio <= 2),
        ("cost, against the best other policy", f"{mine:.4f}", f"< {rival:.4f}", mine < rival),
    ]
    for name, value, limit, good in rows:
        print(f"  {name:<40}{value:<10}{limit:<12}{'ok' if good else 'MISSED'}")
    return all(good for *_, good in rows)


def _second_half(error: Floats, ours: Replay, theirs: Replay, price: float) -> float:
    """The regret of the windows of the second half alone."""
    middle = len(error) // 2
    costs = []
    for run in (ours, theirs):
        champions = np.maximum.accumulate([t if t in run.retrained else 0 for t in range(len(error))])
        served = sum(error[champions[t], t] for t in range(middle, len(error)))
        costs.append(served + price * sum(t >= middle for t in run.retrained))
    return float(costs[0] / costs[1]) - 1


def _cost(runs: list[Replay]) -> float:
    return float(np.mean([run.cost for run in runs]))


def _regret(runs: list[Replay], best: list[Replay]) -> float:
    return float(np.mean([run.cost / least.cost - 1 for run, least in zip(runs, best, strict=True)]))


def _retrains(runs: list[Replay]) -> int:
    return sum(len(run.retrained) for run in runs)


if __name__ == "__main__":
    raise SystemExit(main())
