from __future__ import annotations

from datetime import timedelta

from include.core.spec import Objectives
from include.serving.telemetry.counters import FAMILIES, Series
from include.serving.telemetry.exposition import BOUNDS, BUCKETS
from include.serving.telemetry.service_level import BAD, BUDGET, EVENTS, samples


def series() -> Series:
    """Of model m ten requests on two arms, one of them failed; each bucket of the latency holds one more than the one before."""
    latency = [float(number) for number in range(BUCKETS)] + [0.0]
    counts: Series = {family.name: {} for family in FAMILIES.values()}
    counts[FAMILIES["requests"].name] = {("m", "champion"): [6.0], ("m", "challenger"): [4.0], ("other", "champion"): [99.0]}
    counts[FAMILIES["errors"].name] = {("m", "champion"): [1.0]}
    counts[FAMILIES["latency"].name] = {("m", "champion"): latency}
    return counts


def found(objectives: Objectives) -> dict[tuple[str, str], float]:
    return {(name, labels[1]): value for name, labels, value in samples(series(), [("m", objectives)]) if labels[0] == "m"}


def test_requests_of_all_arms_and_of_this_model_alone_are_counted() -> None:
    told = found(Objectives(errors=0.01, slow=0.05))
    assert (told[EVENTS, "errors"], told[BAD, "errors"], told[BUDGET, "errors"]) == (10, 1, 0.01)
    assert (told[EVENTS, "latency"], told[BUDGET, "latency"]) == (10, 0.05)


def test_late_is_what_lies_in_a_bucket_beyond_the_bound() -> None:
    for place, bound in enumerate(BOUNDS):
        told = found(Objectives(latency=timedelta(seconds=bound)))
        assert told[BAD, "latency"] == sum(range(place + 1, BUCKETS))


def test_a_promise_between_two_bounds_is_held_to_the_next_one() -> None:
    between, next_one = (found(Objectives(latency=timedelta(milliseconds=ms)))[BAD, "latency"] for ms in (30, 50))
    assert between == next_one
