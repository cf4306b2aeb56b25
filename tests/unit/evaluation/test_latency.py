"""A slow minute closes no gate, and a slow model is refused however slow the minute is: on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from include.core.spec import Evaluation
from include.evaluation.gate import closed_by_latency_alone, decide
from include.evaluation.latency import MOST_PASSES, NOMINAL, PASSES, _reference, measure_in_turns, measure_latency
from include.model_contract.model import Floats

ROWS = np.zeros((256, 3), np.float32)
SPEC = Evaluation(metric="auc", minimum=0.5, max_latency_ms=5.0)
GOOD = {"metrics": {"auc": 0.8}, "champion": None, "bytes": 100}


@dataclass
class Machine:
    """A machine on which work takes as long as the test says: `busy(seconds)` is what a piece of work takes at that moment."""

    busy: Callable[[float], float] = lambda seconds: seconds
    now: float = 0.0
    units: list[int] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += self.busy(seconds)

    def reference(self, units: int) -> None:
        self.units.append(units)
        self.work(units * NOMINAL / 1000)


@dataclass
class Timed:
    """A model that takes so many milliseconds a row."""

    machine: Machine
    ms: float
    inputs: int = 3
    calls: int = 0

    def score(self, features: Floats) -> Floats:
        self.calls += 1
        self.machine.work(self.ms / 1000)
        return np.zeros(len(features), np.float32)


def measured(machine: Machine, ms: float) -> dict[str, float]:
    return measure_latency(Timed(machine, ms), ROWS, SPEC.max_latency_ms, machine.clock, machine.reference)


def gate(latency: object) -> bool:
    return decide({**GOOD, "latency_ms": latency}, SPEC).passed


def spikes(every: int, seconds: float) -> Callable[[float], float]:
    """Every so many pieces of work somebody else has the core for a while."""
    count = iter(range(10**9))
    return lambda spent: spent + (seconds if next(count) % every == 0 else 0.0)


def sliced(share: float, slice_seconds: float = 0.003) -> Callable[[float], float]:
    """A crowded machine: short work escapes the scheduler, and long work gets that share of the core."""
    return lambda spent: spent if spent < slice_seconds else spent / share


def throttled(times: float, busy: Callable[[float], float]) -> Callable[[float], float]:
    return lambda spent: busy(times * spent)


MACHINES: dict[str, Callable[[], Machine]] = {
    "quiet": Machine,
    "throttled ten times": lambda: Machine(lambda spent: 10 * spent),
    "preempted at every fifth piece of work": lambda: Machine(spikes(5, 0.02)),
    "crowded": lambda: Machine(sliced(0.25)),
    "throttled and preempted": lambda: Machine(throttled(4, spikes(7, 0.02))),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("ms", [0.01, 0.8, 4.0])
def test_a_slow_minute_closes_no_gate(name: str, ms: float) -> None:
    latency = measured(MACHINES[name](), ms)
    assert latency["p50"] == pytest.approx(ms, rel=0.05)
    assert latency["p99"] == pytest.approx(ms, rel=0.05)
    assert gate(latency)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("ms", [6.0, 50.0])
def test_a_slow_model_is_refused_on_any_machine(name: str, ms: float) -> None:
    latency = measured(MACHINES[name](), ms)
    assert not gate(latency)
    assert latency["passes"] == MOST_PASSES  # it was looked at again, for its limit was exceeded


def test_a_faster_machine_makes_no_limit_stricter() -> None:
    latency = measured(Machine(lambda spent: spent / 4), 8.0)
    assert latency["p99"] == pytest.approx(2.0, rel=0.05)
    assert gate(latency)


def test_rows_that_take_long_are_seen_in_the_p99_and_not_in_the_p50() -> None:
    machine = Machine()

    class Uneven(Timed):
        def score(self, features: Floats) -> Floats:
            self.ms = 20.0 if features[0, 0] else 0.5
            return super().score(features)

    rows = ROWS.copy()
    rows[::50, 0] = 1.0
    latency = measure_latency(Uneven(machine, 0), rows, SPEC.max_latency_ms, machine.clock, machine.reference)
    assert latency["p50"] == pytest.approx(0.5, rel=0.05)
    assert latency["p99"] == pytest.approx(20.0, rel=0.05)
    assert not gate(latency)


def test_what_was_measured_is_reported() -> None:
    latency = measured(Machine(lambda spent: 3 * spent), 6.0)
    assert latency["reference"] == {"ms": pytest.approx(3 * NOMINAL), "nominal": NOMINAL, "slowdown": 3.0}
    assert latency["seen"]["p99"] == pytest.approx(18.0, rel=0.05)
    assert latency["load"] >= 0
    (reason,) = decide({**GOOD, "latency_ms": latency}, SPEC).reasons
    assert reason.startswith("p99 latency 6.000 ms is above 5.000 ms (evaluation.max_latency_ms); 18.000 ms were seen while")
    assert "3.00 times its known cost" in reason


def test_a_slow_model_is_asked_less_often_and_the_reference_as_long_as_it() -> None:
    machine = Machine()
    model = Timed(machine, 200.0)
    measure_latency(model, ROWS, None, machine.clock, machine.reference)
    assert model.calls < 100
    assert machine.units[-1] == 2000
    machine = Machine()
    measured(machine, 1.5)
    assert machine.units[-1] == 100


def test_models_that_are_compared_have_the_same_minutes() -> None:
    clock = Machine()
    clock.busy = lambda spent: spent * (1 + clock.now)  # it gets slower and slower
    models = [Timed(clock, 1.0), Timed(clock, 0.9)]
    slow, fast = measure_in_turns(models, ROWS, None, clock.clock, clock.reference)
    assert slow["p50"] > fast["p50"]
    assert slow["passes"] == fast["passes"] == PASSES


def test_only_what_the_latency_alone_closed_is_measured_again() -> None:
    slow = {"p99": 9.0}
    for value, alone in (
        ({**GOOD, "latency_ms": slow}, True),
        ({**GOOD, "latency_ms": slow, "metrics": {"auc": 0.4}}, False),
        ({**GOOD, "latency_ms": {"p99": 1.0}}, False),
        ({**GOOD, "latency_ms": {"p99": 1.0}, "bytes": 10**9}, False),
    ):
        assert closed_by_latency_alone({**value, "gate": decide(value, SPEC).to_json()}, SPEC) is alone
    assert not closed_by_latency_alone({"gate": {"passed": False, "reasons": ["by hand"]}}, SPEC)


def test_the_reference_is_the_same_work_each_time() -> None:
    assert _reference() is _reference()
    _reference()(3)
