"""The circuit breaker's three states, on a clock of the test's own."""

from __future__ import annotations

import pytest

from include.serving import circuit_breaker as breaker_module
from include.serving.circuit_breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(breaker_module, "time", clock)
    return clock


def test_it_opens_after_so_many_failures_in_a_row_and_a_success_between_starts_the_count_again(clock: Clock) -> None:
    breaker = Breaker(3, 1.0, 8.0)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        outcome()
    assert (breaker.state, breaker.allows()) == ("closed", True)
    breaker.failed()
    assert (breaker.state, breaker.allows()) == ("open", False)


def test_after_the_pause_one_caller_asks_and_its_success_closes_the_circuit(clock: Clock) -> None:
    breaker = Breaker(1, 1.0, 8.0)
    breaker.failed()
    clock.now += 1
    assert breaker.state == "half-open"
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert (breaker.state, breaker.allows(), breaker.allows()) == ("closed", True, True)


def test_each_failed_probe_doubles_the_pause_up_to_the_longest_and_a_success_forgets_it(clock: Clock) -> None:
    breaker = Breaker(1, 1.0, 4.0)
    breaker.failed()
    for pause in (1.0, 2.0, 4.0, 4.0):
        clock.now += pause - 0.01
        assert not breaker.allows()
        clock.now += 0.01
        assert breaker.allows()
        breaker.failed()
    clock.now += 4
    assert breaker.allows()
    breaker.succeeded()
    breaker.failed()
    clock.now += 1
    assert breaker.allows()
