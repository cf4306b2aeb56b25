"""The step `tune`: a search is an input of `train` as ever, goes on after a kill, and refuses what cannot be searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core import fault
from include.core.errors import CodeError, DataError, SlipstreamError, SpecError
from include.core.ledger import Ledger
from include.core.request import Request, Result
from include.core.spec.search import Choice, Float, Search
from include.core.task import perform
from include.training.spool import MetricSpool
from tests.support.search_example import HERE, PARAMS
from tests.support.training_example import settings, table, train_request, training_set

SPACE = {"learning_rate": Float(low=1e-3, high=1e-1, log=True), "dropout": Float(low=0.0, high=0.5)}


class Bench:
    def __init__(self, home: Path) -> None:
        self.settings = settings(home)
        self.ledger = Ledger(self.settings.storage())
        self.data = training_set(self.ledger, home / "in", table(), table(200, seed=2))

    def request(self, fit: str, search: Search, **params: Any) -> Request:
        asked = train_request(self.ledger, self.data, f"{HERE}:{fit}", search=search.model_dump(mode="json"), params=params)
        request = Request("tune", "include.training.tune_step:run", "example", asked.params, asked.inputs)
        self.ledger.record(request)
        return request

    def run(self, request: Request) -> Result:
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


C = {"c": Choice(values=(1e-6, 1e-2, 1.0))}


def test_a_search_gives_parameters_trials_and_a_page(bench: Bench) -> None:
    result = bench.run(bench.request("fit_logistic", Search(space=C, algorithm="grid", metric="auc"), other=1))
    value = result.value
    assert value["params"] == value["trials"][value["best"]]["params"]
    assert value["params"]["other"] == 1
    assert value["metric"] == "auc"
    assert [trial["params"]["c"] for trial in value["trials"]] == [1e-6, 1e-2, 1.0]
    assert value["trials"][value["best"]]["auc"] == max(trial["auc"] for trial in value["trials"])
    assert [found for _, found in value["curve"]] == sorted(found for _, found in value["curve"])
    assert "search</h1>" in bench.ledger.storage.read(result.files["report.html"].path).decode()


def test_each_trial_has_a_spool_of_its_own_and_the_search_has_one(bench: Bench) -> None:
    request = bench.request("fit_logistic", Search(space=C, algorithm="grid"))
    bench.run(request)
    folder = f"ledger/{request.key}/g0/metrics"
    read = {
        name: [row[2] for _, rows in MetricSpool(bench.ledger.storage, f"{folder}{name}").read() for row in rows]
        for name in ("", "/trials/00000", "/trials/00002")
    }
    assert [list(row) for row in read[""]] == [["best"]] * len(read[""])
    assert read[""]
    assert {name for row in read["/trials/00002"] for name in row} == {"train_accuracy", "rung"}
    assert bench.ledger.storage.read(f"{folder}/trials/00002/params") == b'{"c":1.0}'


@pytest.mark.lives  # torch
@pytest.mark.thorough
@pytest.mark.parametrize(
    "search",
    [
        Search(space=SPACE, scheduler="asha", trials=4, reduction=2, algorithm="random"),
        Search(space=SPACE, scheduler="pbt", trials=3, algorithm="random"),
    ],
    ids=["asha", "pbt"],
)
def test_a_search_that_dies_again_and_again_comes_to_what_the_undisturbed_one_does(search: Search, tmp_path: Path) -> None:
    params = {**PARAMS, "epochs": 2}
    whole, killed = Bench(tmp_path / "whole"), Bench(tmp_path / "killed")
    expected = whole.run(whole.request("fit_network", search, **params))
    request = killed.request("fit_network", search, **params)
    for point in ("search.decided", "train.step", "search.found", "search.find", "checkpoint.saved", "train.step"):
        fault.arm(fault.Fault(point, "lose", skip=2 if point.startswith("search") else 21))
        try:
            with pytest.raises(SlipstreamError, match="ResponseLost"):
                killed.run(request)
        except BaseException:
            if killed.ledger.result(request.key) is None:
                raise
        finally:
            fault.arm(None)
    again = killed.run(request)
    assert again.value == expected.value
    assert again.digest == expected.digest


@pytest.mark.parametrize(
    ("search", "params", "said"),
    [
        (Search(space=C, scheduler="asha"), {}, "training.search.scheduler: 'asha' stops trials after some epochs"),
        (Search(space=C, scheduler="asha"), {"epochs": 4}, 'scheduler="none"'),
        (Search(space=C, metric="accuracy"), {}, "'accuracy' is of decisions"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_setting(
    search: Search, params: dict[str, Any], said: str, bench: Bench
) -> None:
    with pytest.raises(SpecError) as refused:
        bench.run(bench.request("fit_logistic", search, **params))
    assert said in str(refused.value)


def test_a_metric_that_the_problem_lacks_is_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="'mae' is no metric of a"):
        bench.run(bench.request("fit_logistic", Search(space=C, metric="mae")))


def test_where_all_trials_fail_their_reasons_are_told(bench: Bench) -> None:
    search = Search(space={"wrong": Choice(values=("value", "memory"))}, algorithm="grid")
    with pytest.raises(CodeError, match="Every trial of the search failed: 2 of 2") as failed:
        bench.run(bench.request("fit_wrong", search))
    assert "no such width" in str(failed.value)
    assert "of 3 GB" in str(failed.value)
