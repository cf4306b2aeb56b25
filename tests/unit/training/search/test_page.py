"""The page of a search: complete, offline, of any parameters; and what mattered."""

from __future__ import annotations

import math
import random
from typing import Any

from include.problems.metric import Metric, mean_of
from include.step_values.training import TuneValue
from include.training.search.axes import axis_of
from include.training.search.importance import importance
from include.training.search.page import render, searched

LOSS = Metric("log loss", mean_of(lambda truth, outputs: outputs), higher_is_better=False)


def trial(number: int, rate: float, kind: str, value: float | None, **more: Any) -> dict[str, Any]:
    legs = [{"until": 1, **({} if value is None else {"value": value})}]
    return {
        "params": {"rate": rate, "kind": kind, "fixed": 3},
        "log_loss": value,
        "trial": number,
        "epochs": 1,
        "legs": legs,
        **more,
    }


def value(trials: list[dict[str, Any]]) -> TuneValue:
    return {
        "params": trials[0]["params"], "trials": trials, "metric": "log_loss", "best": 0, "epochs": len(trials),
        "curve": [(1, 0.9), (4, 0.5)],
    }  # fmt: skip


def test_the_page_shows_every_part_and_asks_for_nothing_from_elsewhere() -> None:
    found = value(
        [
            trial(0, 1e-3, "<b>", 0.5), trial(1, 1e-1, "tall", 0.7),
            trial(2, 1e-2, "tall", None, error="CodeError: <script>"),
        ]
    )  # fmt: skip
    found["trials"][1]["legs"].append({"until": 3, "value": 0.6, "donor": 0})
    html = render("late", found, LOSS)
    for part in ("parallel coordinates", "best so far", "with the weights of trial 0", "CodeError: &lt;script&gt;", "&lt;b&gt;"):
        assert part in html
    assert "http://" not in html
    assert "https://" not in html
    assert "<script" not in html
    assert html.count("<polyline") == 2
    assert searched(found) == ["kind", "rate"]


def test_importance_finds_what_mattered_and_not_what_did_not() -> None:
    chance = random.Random(0)
    trials = []
    for number in range(60):
        rate, kind = 10 ** chance.uniform(-4, 0), chance.choice("abc")
        trials.append(trial(number, rate, kind, abs(math.log10(rate) + 2) + chance.gauss(0, 0.05)))
    found = importance(value(trials), ["rate", "kind"])
    assert list(found) == ["rate", "kind"]
    assert found["rate"] > 0.6
    assert found["kind"] < 0.1
    assert importance(value(trials[:5]), ["rate"]) == {}


def test_axes_go_by_ratios_where_numbers_differ_much_and_name_what_is_no_number() -> None:
    wide, narrow = axis_of("rate", [1e-4, 1e-2, 1.0], 0, 0, 100), axis_of("share", [1.0, 2.0, 3.0], 0, 0, 100)
    assert [round(wide.y(each)) for each in (1e-4, 1e-2, 1.0)] == [100, 50, 0]
    assert [round(narrow.y(each)) for each in (1.0, 2.0, 3.0)] == [100, 50, 0]
    named = axis_of("kind", ["b", "a", True], 0, 0, 100)
    assert {text for text, _ in named.ticks} == {"a", "b", "True"}
    assert axis_of("same", [2, 2], 0, 0, 100).y(2) == 50
