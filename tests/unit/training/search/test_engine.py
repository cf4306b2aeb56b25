"""A search that is killed anywhere goes on as it would have: the same trials, decisions and findings, and nothing done twice."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import CodeError
from include.core.spec.search import Float, Integer, Search
from include.core.storage import LocalStorage, Storage
from include.training.search.engine import Engine, Recorded
from include.training.search.records import Decision, Found, Leg, Records
from include.training.search.schedulers import scheduler_of
from include.training.search.suggest import suggester
from include.training.search.trials import Trials

WHOLE = 9
SPACE = {"rate": Float(low=1e-3, high=1.0, log=True), "width": Integer(low=1, high=8)}
SEARCHES = {
    "none": Search(space=SPACE, algorithm="random", trials=5, concurrent=2),
    "asha": Search(space=SPACE, algorithm="random", scheduler="asha", trials=18, concurrent=3),
    "pbt": Search(space=SPACE, algorithm="random", scheduler="pbt", trials=6, concurrent=2, interval=3),
    "budget": Search(space=SPACE, algorithm="random", scheduler="asha", trials=100, epochs=40),
}


class Killed(BaseException):
    pass


@dataclass
class Fits:
    """Stands for the fits. `dies` after so many moments: a death after the fit and before its record, and after its record."""

    records: Records
    dies: int = 10**9
    fitted: list[str] = field(default_factory=list)

    def submit(self, leg: Leg) -> None: ...

    def result(self, leg: Leg) -> Found:
        standing = self.records.found(leg.key)
        if standing is not None:
            return standing
        self.fitted.append(leg.key)
        self._moment()
        found = self.records.find(leg.key, outcome(leg))
        self._moment()
        return found

    def _moment(self) -> None:
        self.dies -= 1
        if self.dies < 0:
            raise Killed


def outcome(leg: Leg) -> Found:
    rate, width = float(leg.params["rate"]), int(leg.params["width"])
    if width == 7:
        return Found(None, 0, [], 1.0, "CodeError: seven is too wide")
    loss = abs(math.log10(rate) + 1.5) + 1 / (leg.until + width)
    ended = 2 if width == 8 and leg.until > 2 else leg.until  # its fit stops by itself
    return Found(loss, ended, [{"epoch": leg.until, "train_loss": loss}], 1.0)


def engine(search: Search, storage: Storage, dies: int = 10**9, **more: Any) -> tuple[Engine, Fits]:
    records = Records(storage, "search")
    fits = Fits(records, dies)
    made = Engine(search, scheduler_of(search, WHOLE), suggester(search, {"other": 1}), records, fits, Trials(WHOLE), **more)
    return made, fits


def told(trials: Trials) -> list[Any]:
    return [(trial.number, trial.legs, trial.donors) for trial in trials]


def decisions(storage: Storage) -> list[Decision | None]:
    records, number = Records(storage, "search"), 1
    found = []
    while (decision := records.decision(number)) is not None:
        found.append(decision)
        number += 1
    return list(found)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_killed_at_every_moment_is_the_undisturbed_one(name: str, tmp_path: Path) -> None:
    search, whole = SEARCHES[name], LocalStorage(tmp_path / "whole")
    undisturbed, fits = engine(search, whole)
    expected = told(undisturbed.run())
    moments = 2 * len(fits.fitted)
    for dies in range(0, moments, max(1, moments // 12)):
        storage = LocalStorage(tmp_path / f"killed-{dies}")
        first, before = engine(search, storage, dies)
        with pytest.raises(Killed):
            first.run()
        recorded = {path.rpartition("/")[2] for path in storage.list("search/found")}
        second, after = engine(search, storage)
        assert told(second.run()) == expected, f"killed at moment {dies}"
        assert decisions(storage) == decisions(whole)
        assert not recorded & set(after.fitted), "a finished leg was fitted again"
        assert max(Counter(after.fitted).values(), default=1) == 1
        assert len(before.fitted) + len(after.fitted) <= len(fits.fitted) + 1


def test_asha_promotes_a_third_of_each_rung(tmp_path: Path) -> None:
    trials = engine(SEARCHES["asha"].model_copy(update={"concurrent": 1}), LocalStorage(tmp_path))[0].run()
    sound = [trial for trial in trials if not trial.error]
    at = [sum(rung in dict(trial.points) for trial in sound) for rung in (1, 3, 9)]
    assert at[1] == at[0] // 3
    assert at[2] == at[1] // 3
    best = trials.best()
    assert best is not None
    assert best.reached == WHOLE


def test_a_population_copies_its_best_and_every_member_reaches_the_end(tmp_path: Path) -> None:
    trials = engine(SEARCHES["pbt"], LocalStorage(tmp_path))[0].run()
    assert {trial.reached for trial in trials if not trial.error} == {WHOLE}
    exploited = [(trial, number) for trial in trials for number, donor in enumerate(trial.donors) if donor is not None]
    assert exploited
    for trial, number in exploited:
        leg, donor = trial.legs[number][0], trials.all[trial.donors[number]]  # type: ignore[index]
        assert leg.parent in {each.key for each, _ in donor.legs}
        assert leg.params["width"] == dict(donor.legs[number - 1][0].params)["width"], "what may not be perturbed comes along"


def test_the_budget_of_epochs_is_kept(tmp_path: Path) -> None:
    trials = engine(SEARCHES["budget"], LocalStorage(tmp_path))[0].run()
    spent = sum(leg.until - leg.start for trial in trials for leg, _ in trial.legs)
    assert 40 - 6 <= spent <= 40
    assert trials.spent == spent


@pytest.mark.parametrize("limit", [{"seconds": 6.0}, {"cost": 12.0, "hourly_rate": 3600.0}])
def test_budgets_of_time_and_cost_end_a_search(limit: dict[str, float], tmp_path: Path) -> None:
    """Every fit of these takes a second: two at once are 12 in 6 seconds."""
    search = Search(space=SPACE, algorithm="random", trials=100, concurrent=2, **limit)
    assert 12 <= len(engine(search, LocalStorage(tmp_path))[0].run()) <= 13


def test_equal_parameters_are_fitted_once(tmp_path: Path) -> None:
    search = Search(space={"width": Integer(low=1, high=2)}, algorithm="random", trials=12)
    made, fits = engine(search, LocalStorage(tmp_path))
    made.suggest = lambda trials: {"rate": 0.1, "width": 1 + len(trials) % 2}
    assert len(made.run()) == 12
    assert len(fits.fitted) == 2


def test_where_every_trial_fails_the_search_says_why_and_soon(tmp_path: Path) -> None:
    search = Search(space=SPACE, algorithm="random", trials=500)
    made, fits = engine(search, LocalStorage(tmp_path))
    made.suggest = lambda trials: {"rate": 0.1 + len(trials) / 1000, "width": 7}
    with pytest.raises(CodeError, match="Every trial of the search failed: 10 of 10") as failed:
        made.run()
    assert "seven is too wide" in str(failed.value)
    assert len(fits.fitted) == 10


def test_a_damaged_record_is_made_again_the_same(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    expected = told(engine(SEARCHES["asha"], storage)[0].run())
    paths = [next(iter(storage.list(f"search/{kind}"))) for kind in ("decisions", "found")]
    for path in paths:
        storage.write(path, storage.read(path)[:-2] + b"!}")
    again, fits = engine(SEARCHES["asha"], storage)
    assert told(again.run()) == expected
    assert len(fits.fitted) == 1


def test_a_search_under_way_is_read_from_its_records_alone(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    killed, _ = engine(SEARCHES["asha"], storage, dies=11)
    with pytest.raises(Killed):
        killed.run()
    before = sorted(storage.list("search"))
    reader, _ = engine(SEARCHES["asha"], storage)
    reader.executor = Recorded(reader.records)
    trials = reader.read()
    assert len(trials) >= 5
    assert trials.best() is not None
    assert sorted(storage.list("search")) == before


def test_a_decision_recorded_by_another_process_stands(tmp_path: Path) -> None:
    """A newer release might decide otherwise in the middle of a search: what was decided stays."""
    storage = LocalStorage(tmp_path)
    Records(storage, "search").decide(1, Decision("start", 0, WHOLE, {"rate": 0.5, "width": 3}, 0))
    trials = engine(SEARCHES["none"], storage)[0].run()
    assert trials.all[0].params == {"rate": 0.5, "width": 3}


def test_each_finding_is_heard_once_in_order(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    made, _ = engine(
        SEARCHES["asha"], LocalStorage(tmp_path), heard=lambda trials, trial: heard.append((trials.told, trial.number))
    )
    trials = made.run()
    assert [number for number, _ in heard] == list(range(1, trials.told + 1))


def test_tpe_tries_the_specs_own_parameters_first_where_they_are_in_the_space() -> None:
    searched = Search(space=SPACE, trials=5)
    within = suggester(searched, {"rate": 0.5, "width": 2, "other": 1})(Trials(WHOLE))
    assert within == {"rate": 0.5, "width": 2, "other": 1}
    beyond = suggester(searched, {"rate": 5.0, "width": 2, "other": 1})(Trials(WHOLE))
    assert beyond is not None
    assert beyond["rate"] != 5.0
