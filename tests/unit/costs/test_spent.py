from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.ledger import Ledger
from include.core.needs import Needs
from include.core.request import Outcome, Request
from include.core.spec.resources import Resources
from include.core.storage import LocalStorage
from include.costs.prices import Prices
from include.costs.spent import Spent, spent_on, total

PRICES = Prices("EUR", cpu_hour=0.04, gpu_hour=2.0, memory_gb_hour=0.01)
REQUEST = Request("train", "include.training.train_step:run", "toy", {}, {}, "c0")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path))


def made(ledger: Ledger, machine: dict[str, Any] | None, killed: int = 0, cpu_seconds: float | None = None) -> list[Spent]:
    for _ in range(killed):
        ledger.end_attempt(ledger.open_attempt(REQUEST.key, 0, machine), "killed: out of memory")
    attempt = ledger.open_attempt(REQUEST.key, 0, machine)
    return spent_on(ledger, ledger.commit(REQUEST, attempt, Outcome({}), 3600.0, cpu_seconds))


def test_reserved_machines_cost_whether_they_worked_or_not(ledger: Ledger) -> None:
    needs = Needs(Resources(cpus=4, gpus=1, memory_gb=16.0), workers=2)
    (one,) = made(ledger, needs.told("ray"), cpu_seconds=5.0)
    assert (one.cpu_hours, one.gpu_hours, one.memory_gb_hours, one.at_most) == (8.0, 2.0, 32.0, False)
    assert one.money(PRICES) == pytest.approx(8 * 0.04 + 2 * 2.0 + 32 * 0.01)


def test_what_was_not_reserved_counts_as_it_was_measured(ledger: Ledger) -> None:
    (one,) = made(ledger, Needs().told("task"), cpu_seconds=1800.0)
    assert (one.cpu_hours, one.gpu_hours, one.memory_gb_hours) == (0.5, 0.0, 0.0)


def test_workers_on_ray_without_a_number_have_half_a_cpu_each(ledger: Ledger) -> None:
    (one,) = made(ledger, Needs(workers=4).told("ray"), cpu_seconds=2.0)
    assert one.cpu_hours == 2.0


def test_killed_attempts_are_counted_as_a_limit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(f"2013-05-01T0{hour}:00:00.000+00:00" for hour in (0, 1, 2, 5, 6, 7, 8))
    monkeypatch.setattr("include.core.ledger.timestamp", lambda: next(clock))
    first, second, third = made(ledger, Needs(Resources(cpus=2)).told("process"), killed=2)
    assert [(each.seconds, each.at_most) for each in (first, second, third)] == [
        (3600.0, True),
        (10_800.0, True),
        (3600.0, False),
    ]
    assert [each.cpu_hours for each in (first, second, third)] == [2.0, 6.0, 2.0]
    assert first.reason == "killed: out of memory"


def test_a_killed_attempt_without_reserved_cpus_is_unknown(ledger: Ledger) -> None:
    killed, made_it = made(ledger, Needs().told("process"), killed=1, cpu_seconds=36.0)
    assert killed.cpu_hours is None
    assert killed.money(PRICES) is None
    assert total(each.money(PRICES) for each in (killed, made_it)) == (pytest.approx(0.0004), 1)


def test_an_attempt_that_nobody_described_is_unknown(ledger: Ledger) -> None:
    (one,) = made(ledger, None)
    assert (one.seconds, one.cpu_hours, one.gpu_hours) == (3600.0, None, None)
    assert total([one.money(PRICES)]) == (None, 1)


def test_an_attempt_after_the_commit_did_nothing(ledger: Ledger) -> None:
    attempt = ledger.open_attempt(REQUEST.key, 0)
    result = ledger.commit(REQUEST, attempt, Outcome({}), 1.0)
    ledger.end_attempt(attempt, "a zombie said so")
    ledger.open_attempt(REQUEST.key, 0)
    assert [each.attempt for each in spent_on(ledger, result)] == [1]
