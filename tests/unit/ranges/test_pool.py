"""Days made by processes: one that dies costs its day alone, and its lines are read whatever order they come in."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from include.core.errors import JobFailedError
from include.core.settings import Settings
from include.data.published import published
from include.ranges.making import Failed
from include.ranges.pool import MOST, Workers, _processes
from tests.support.operator_runs import MODEL, Life, day
from tests.support.range_runs import taken_in

WORKER = """
import json, os, sys
for line in sys.stdin:
    for day in line.split():
        if day == "2013-01-03":
            os.kill(os.getpid(), 9)
        error = {"type": "DataError", "what": day, "seen": "None", "safe": "", "hint": ""}
        print(json.dumps({"day": day, "error": error}), flush=True)
"""


class Toys(Workers):
    """Processes that say of each day that it is wrong, and of the third nothing at all."""

    def _start(self) -> object:  # type: ignore[override]
        self._command = [sys.executable, "-c", WORKER]
        return super()._start()


def test_a_process_that_dies_costs_its_day_and_no_other(tmp_path: Path) -> None:
    pool = Toys("shop", Settings(home=tmp_path), "", 2)
    try:
        days = [day(number) for number in range(1, 41)]
        pool.submit(days)
        outcomes = [pool.take() for _ in days]
    finally:
        pool.close()
    assert sorted(each.day for each in outcomes) == days
    errors = {each.day: each.error for each in outcomes if isinstance(each, Failed)}
    assert isinstance(errors.pop(day(3)), JobFailedError)
    assert {when: error.what for when, error in errors.items()} == {when: str(when) for when in days if when != day(3)}


def test_closing_ends_the_processes(tmp_path: Path) -> None:
    pool = Toys("shop", Settings(home=tmp_path), "", 1)
    pool.submit([day(1)])
    pool.take()
    (process,) = pool._processes
    pool.close()
    assert process.poll() is not None


@pytest.mark.parametrize(("processors", "processes"), [(1, 1), (2, 3), (4, 5), (64, MOST)])
def test_one_process_more_than_there_are_processors_and_not_too_many(processors: int, processes: int) -> None:
    assert _processes(processors) == processes


@pytest.mark.thorough
def test_two_processes_take_in_what_one_does(life: Life) -> None:
    for number in range(1, 17):
        life.land(day(number))
    assert taken_in(life.services, 1, 16, workers=2).made == 16
    ours = published(life.services.control, MODEL, day(1), day(31))
    assert list(ours) == [day(1) + timedelta(days=number) for number in range(16)]
    again = taken_in(life.services, 1, 16, run="again", fresh="again")
    assert again.made == 16
    alone = published(life.services.control, MODEL, day(1), day(31))
    assert {when: ref.digest for when, ref in alone.items()} == {when: ref.digest for when, ref in ours.items()}
