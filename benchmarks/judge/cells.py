"""The cells of the table: each simulates its stages and asks the shipped boundary."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from benchmarks.judge import rules
from benchmarks.judge.streams import Ints, Stream, Traffic, coarse, latency_marks, simulate
from benchmarks.judge.table import RateTable
from include.rollout.alpha_spending import SLICES, first_crossings
from include.rollout.baseline import KEPT
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share
from include.rollout.guardrails import WEIGHTS, Guard, scaled

SHARE, ALPHA, MARGIN = 0.05, 0.05, 2.5
PORTION = 2500  # stages simulated at once
LOOKS = 5  # of a stage that waits: up to 16 planned lengths
METRICS = ("errors", "latency_p50", "latency_p90", "latency_p99")
FOUR = {guard.stream: guard.weight for guard in scaled(Guard(name, WEIGHTS[name]) for name in METRICS)}
SCHEDULES = (1, 10, 60, SLICES, 0)  # looks; 0: one at each request


def portions(name: str, stages: int) -> Iterator[tuple[int, np.random.Generator]]:
    """(stages, generator) until all are done; a cell's numbers depend on its name alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for first in range(0, stages, PORTION):
        yield min(PORTION, stages - first), rng


def crossings(name: str, traffic: Traffic, stages: int, alpha: float = ALPHA) -> Ints:
    """The slice in which each stage is rolled back, or -1: errors alone."""
    return np.concatenate([
        first_crossings(traffic.share, alpha, *simulate(traffic, count, rng).counted()) for count, rng in portions(name, stages)
    ])  # fmt: skip


def rolled_back(first: Ints, looks: int, requests: int) -> tuple[int, float]:
    """How many stages a schedule of looks rolls back, and the median time of the look that does (1: the end)."""
    many = looks or requests
    over = (first + 1) / SLICES  # the slice is judged once it is over
    seen = np.ceil(np.round(over * many, 9)) / many  # the next look
    crossed = (first >= 0) & (seen <= 1)
    return int(crossed.sum()), float(np.median(np.where(crossed, seen, 9.0)))


def false_rollbacks(table: RateTable, stages: int) -> None:
    table.head("False rollback: healthy challenger, errors alone, alpha .05, share 5 %")
    for requests in (20_000, 100_000, 1_000_000):
        name = f"{requests:,} requests"
        first = crossings(name, Traffic(requests), stages)
        for looks in SCHEDULES:
            label = "1 look a request" if looks == 0 else f"{looks} look{'s' if looks > 1 else ''}"
            table.at_most(f"{name}, base 1 %, {label}", rolled_back(first, looks, requests)[0], stages, 0.05, 0.055)
    for base in (0.001, 0.005, 0.05):
        name = f"20,000 requests, base {base:.1%}, 1 look a request"
        table.at_most(name, int((crossings(name, Traffic(base=base), stages) >= 0).sum()), stages, 0.05, 0.055)
    incidents = {
        "3 % on both arms throughout": Traffic(base=0.03),
        "a tenth of the stage at 40 %": Traffic(incident=(0.5, 0.6, 0.4)),
    }
    for words, traffic in incidents.items():
        name = f"shared incident: {words}"
        table.at_most(name, int((crossings(name, traffic, stages) >= 0).sum()), stages, 0.05, 0.055)
    for burst in (3.0, 10.0):
        name = f"clustered: {burst:g} failures in a row of one client"
        counted = int((crossings(name, Traffic(burst=burst), stages) >= 0).sum())
        table.at_most(f"{name}, counted once", counted, stages, 0.06)


def joint(table: RateTable, stages: int) -> None:
    table.head("Joint: errors, p50, p90 and p99 share alpha " + ", ".join(f"{n} {w:.2f}" for n, w in FOUR.items()))
    traffic, rolled, alone = Traffic(), 0, dict.fromkeys(FOUR, 0)
    for count, rng in portions("joint", stages):
        marks = {"errors": simulate(traffic, count, rng).counted(), **latency_marks(traffic, count, rng, KEPT)}
        any_one = np.zeros(count, bool)
        for name, weight in FOUR.items():
            crossed = first_crossings(SHARE, ALPHA * weight, *marks[name]) >= 0
            alone[name] += int(crossed.sum())
            any_one |= crossed
        rolled += int(any_one.sum())
    table.at_most("20,000 requests, limits from 2,000 earlier answers, any of the four", rolled, stages, 0.05, 0.055)
    table.line("each alone", ", ".join(f"{name} {hits / stages:.4f}" for name, hits in alone.items()))


def power(table: RateTable, stages: int) -> None:
    table.head("Power: base 1 %, share 5 %, 1,000 canary requests")
    for ratio, goal in ((2, 0.75), (3, 0.99), (5, 0.999)):
        name = f"errors alone, {ratio}x"
        hits, median = rolled_back(crossings(name, Traffic(ratio=ratio), stages), 0, 20_000)
        table.at_least(name, hits / stages, goal, f"median at {median:.2f}")
        if ratio == 3:
            table.under("errors alone, 3x: median detection, share of the stage", median, 0.3)
    for ratio, goal in ((2, 0.0), (3, 0.95), (5, 0.995)):
        name = f"alpha shared over four metrics, {ratio}x"
        hits, median = rolled_back(crossings(name, Traffic(ratio=ratio), stages, ALPHA * FOUR["errors"]), 0, 20_000)
        table.at_least(name, hits / stages, goal, f"median at {median:.2f}")
    name = "5,000 canary requests, 2x"
    table.at_least(name, float((crossings(name, Traffic(100_000, ratio=2), stages) >= 0).mean()), 0.99)
    shared = float((crossings(name, Traffic(100_000, ratio=2), stages, ALPHA * FOUR["errors"]) >= 0).mean())
    table.at_least(f"{name}, alpha shared over four metrics", shared, 0.99)


def ceilings(table: RateTable, stages: int) -> None:
    table.head("Power where errors are rare, beside the fixed-sample ceiling (the same exact test, once, at the end)")
    for base in (0.01, 0.005, 0.001):
        for ratio in (2, 3, 5, 10):
            name, hits, once = f"base {base:.1%}, {ratio}x, 1,000 canary requests", 0, 0
            for count, rng in portions(name, stages):
                trials, own = simulate(Traffic(base=base, ratio=ratio), count, rng).counted()
                hits += int((first_crossings(SHARE, ALPHA, trials, own) >= 0).sum())
                once += int(rules.fixed_sample(trials, own, SHARE, ALPHA).sum())
            table.at_least(name, hits / stages, round(once / stages - 0.05, 4), f"ceiling {once / stages:.4f}")


def wrong_promotion(table: RateTable, stages: int) -> None:
    table.head(f"Wrong promotion: a challenger at the margin ({MARGIN}x), looks at 1, 2, 4, 8 and 16 planned lengths, beta .05")
    cells = {
        "ratio bound alone, base 1 %, 1,000 canary requests": (0.01, 20_000, 0.0),
        "ratio bound alone, base .5 %, 1,000 canary requests": (0.005, 20_000, 0.0),
        "ratio bound alone, base 5 %, 200 canary requests": (0.05, 4_000, 0.0),
        "ratio or accepted rate (5 %), base 2 %, 1,000 canary requests": (0.02, 20_000, 0.05),
        "ratio or accepted rate (5 %), base 2 %, 100 canary requests": (0.02, 2_000, 0.05),
    }
    for name, (base, requests, accepted) in cells.items():
        table.at_most(name, int(promoted(name, base, MARGIN, requests, accepted, stages, LOOKS).sum()), stages, 0.05, 0.055)
    table.head("Promotion of a healthy challenger at the planned end (a stage that is not shown to be good waits)")
    for name, base, requests in (("base 1 %, 1,000 canary requests", 0.01, 20_000), ("base 0, 100 canary requests", 0.0, 2_000)):
        table.line(name, f"{promoted('healthy ' + name, base, 1.0, requests, 0.05, stages, 1).mean():.4f}")


def promoted(name: str, base: float, ratio: float, requests: int, accepted: float, stages: int, looks: int) -> np.ndarray:
    """Whether any of the first looks shows the challenger to be under the margin. [stages] of bool."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shown, before = np.zeros(stages, bool), 0
    canary, own, events = (np.zeros(stages, np.int64) for _ in range(3))
    for look in range(looks):
        length, part = 2**look, look_part(look)
        arrived = (length - before) * requests
        more = rng.binomial(arrived, SHARE, stages)
        bad = rng.binomial(more, min(1.0, base * ratio))
        canary, own, events = canary + more, own + bad, events + bad + rng.binomial(arrived - more, base)
        by_ratio = _allowed(events, odds_share(SHARE, MARGIN), 0.025 * part)
        by_rate = _allowed(canary, accepted, 0.025 * part)
        shown |= (own <= by_ratio) | (own <= by_rate)
        before = length
    return shown


def _allowed(trials: Ints, p: float, level: float) -> Ints:
    different, place = np.unique(trials, return_inverse=True)
    return np.array([most_allowed(int(n), p, level) for n in different])[place]


def peers(table: RateTable, stages: int) -> None:
    """The false rollbacks and the power of everybody on the same streams; none of these has a goal."""
    columns = {
        "healthy": Traffic(), "healthy 100k": Traffic(100_000), "incident": Traffic(base=0.03), "bursts of 3": Traffic(burst=3.0),
        "2x": Traffic(ratio=2), "3x": Traffic(ratio=3), "5x": Traffic(ratio=5),
    }  # fmt: skip
    table.head("Rolled back, by rule: base 1 %, 20,000 requests unless said; 10 looks (60 where said); Kayenta: 60 points")
    print(f"  {'':<44}" + "".join(f"{name:>14}" for name in columns), flush=True)
    results: dict[str, dict[str, int]] = {}
    for column, traffic in columns.items():
        for count, rng in portions(f"peers {column}", stages):
            for rule, rolled in _everybody(simulate(traffic, count, rng)).items():
                own = results.setdefault(rule, dict.fromkeys(columns, 0))
                own[column] += int(rolled.sum())
    for rule, own in results.items():
        print(f"  {rule:<44}" + "".join(f"{own[name] / stages:>14.4f}" for name in columns), flush=True)


def _everybody(stream: Stream) -> dict[str, np.ndarray]:
    counted = stream.counted()
    requests = tuple(coarse(each, SLICES) for each in (stream.bad + stream.bad_canary, stream.bad_canary))
    return {
        "ours, alpha .05": first_crossings(SHARE, ALPHA, *counted) >= 0,
        "ours, each request counted (not shipped)": first_crossings(SHARE, ALPHA, *requests) >= 0,
        "e-process on the same counts": rules.e_process(*counted, SHARE, ALPHA),
        "Argo: success >= .99, failureLimit 0": rules.argo(stream, 10, 0.99, 0),
        "Argo: success >= .95, failureLimit 3": rules.argo(stream, 10, 0.95, 3),
        "Argo: success >= .95, failureLimit 3, 60 looks": rules.argo(stream, 60, 0.95, 3),
        "Flagger: success >= .99, threshold 5": rules.flagger(stream, 10),
        "Flagger: success >= .99, threshold 5, 60 looks": rules.flagger(stream, 60),
        "Kayenta: Mann-Whitney": rules.kayenta(stream, 60),
        "z-test p < .05 at 10 looks": rules.z_test(stream, 10),
        "z-test p < .05 at 60 looks": rules.z_test(stream, 60),
        "z-test once": rules.z_test(stream, 1),
    }


def shipped(table: RateTable, stages: int) -> None:
    """The judge itself on folded records, asked after every request, against the simulation's shortcut."""
    from benchmarks.judge.records import asked_after_every_request

    table.head("The shipped judge on log records, asked after every request, against the boundary on whole stages")
    same, rolled = asked_after_every_request(stages)
    name = f"{stages} stages of 2,000 requests (half of them bad): same answer, same slice"
    table.at_least(name, same / stages, 1.0, f"{rolled} rolled back")
