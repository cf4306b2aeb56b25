"""How days reach the platform: one run for a range, or a run a day, and a shortfall is an error."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import JobFailedError
from include.core.storage import LocalStorage
from include.core.time import days_between
from include.demo import intake as module
from include.demo.intake import Intake
from include.demo.journal import Journal

FIRST, LAST = date(2013, 2, 25), date(2013, 3, 3)


class Runs:
    """Takes in what it is asked to, but for `lost` days."""

    model = "flights"

    def __init__(self, lost: int = 0) -> None:
        self.asked: list[Any] = []
        self.days: list[date] = []
        self.lost = lost

    def dag(self, part: str) -> str:
        return f"flights_{part}"

    def start(self, part: str, **conf: str) -> str:
        self.asked.append((part, conf))
        self.days = days_between(date.fromisoformat(conf["from"]), date.fromisoformat(conf["to"]))
        return "one"

    def finish(self, part: str, run: str) -> None:
        self.days = self.days[self.lost :]

    def daily(self, part: str, days: list[date]) -> None:
        self.asked.append((part, days))


@pytest.fixture
def runs() -> Runs:
    return Runs()


def intake(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ranges: bool) -> Intake:
    monkeypatch.setattr(module, "arrive", lambda copy, store, first, last: 0)
    monkeypatch.setattr(module, "published", lambda control, model, first, last: dict.fromkeys(runs.days))
    store, journal = LocalStorage(tmp_path), Journal.load(tmp_path / "demo.json")
    return Intake(runs, journal, None, store, store, ranges)  # type: ignore[arg-type]


def test_a_range_is_one_run_of_both_days_included(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = intake(runs, tmp_path, monkeypatch, ranges=True).history(FIRST, LAST)
    assert runs.asked == [("features_range", {"from": "2013-02-25", "to": "2013-03-03"})]
    assert done == "7 daily partitions validated, published and materialized by one run of flights_features_range"


def test_days_that_are_there_are_not_asked_for(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.days = days_between(FIRST, LAST)
    assert intake(runs, tmp_path, monkeypatch, ranges=True).history(FIRST, LAST).endswith("published before: reused")
    assert runs.asked == []


def test_a_run_that_ends_well_and_leaves_a_day_out_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobFailedError, match="2 of the days 2013-02-25 to 2013-03-03 were not published"):
        intake(Runs(lost=2), tmp_path, monkeypatch, ranges=True).week(FIRST, LAST)


def test_without_ranges_each_day_of_a_week_is_a_run(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intake(runs, tmp_path, monkeypatch, ranges=False).week(FIRST, LAST)
    assert runs.asked == [("features", days_between(FIRST, LAST))]
