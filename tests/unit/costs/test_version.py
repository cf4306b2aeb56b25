from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from include.core.needs import Needs
from include.core.request import Outcome
from include.costs.prices import Prices
from include.costs.spent import Spent
from include.costs.version import VersionCost, count, thousand_of, told
from tests.support.toy_ledger import Loop

PRICES = Prices("EUR", cpu_hour=0.36, storage_gb_month=0.1)


def spent(step: str, cpu_hours: float | None) -> Spent:
    return Spent(step, 1, 10.0, cpu_hours, 0.0, 0.0)


def test_a_versions_parts_are_added_up_and_come_back_as_they_were() -> None:
    cost = VersionCost((spent("training_set", 0.5), spent("train", 1.0)), 0.4, 2.0, PRICES)
    assert cost.training == (pytest.approx(0.54), 0)
    assert cost.thousand_money == pytest.approx(0.00004)
    assert cost.storage_month == pytest.approx(0.2)
    assert cost.words() == "training 0.540 EUR, 1,000 predictions 0.0000400 EUR"
    assert VersionCost.from_json(json.loads(json.dumps(cost.to_json()))) == cost
    assert cost.summary()["words"] == cost.words()
    assert "attempts" not in cost.summary()["training"]
    assert cost.by(Prices("USD", cpu_hour=1.0)).training == (pytest.approx(1.5), 0)


def test_a_part_that_is_unknown_is_told() -> None:
    cost = VersionCost((spent("training_set", None), spent("train", 1.0)), None, 0.0, PRICES)
    assert told(*cost.training, PRICES) == "at least 0.360 EUR (1 attempt unknown)"
    assert cost.words().endswith("1,000 predictions unknown")
    assert replace(cost, spent=(spent("train", None),)).training == (None, 1)


def test_a_version_is_counted_from_the_ledger(tmp_path: Path) -> None:
    loop = Loop.under(tmp_path)
    lineage = loop.package(days=2).entry.lineage
    cost = count(loop.ledger, lineage.train, lineage.training_set, lineage.evaluation, PRICES)
    assert sorted(each.step for each in cost.spent) == ["evaluate", "train", "training_set"]
    assert cost.seconds == (pytest.approx(0.3), 0)
    assert cost.training == (None, 3)  # nobody said what they ran on
    assert cost.stored_gb > 0


def test_what_a_fit_was_given_counts_and_the_champion_does_not(tmp_path: Path) -> None:
    loop = Loop.under(tmp_path)
    lineage = loop.package(days=2).entry.lineage
    tuned = loop.commit("tune", {}, {}, {"params": {}}, {})
    request = loop.ledger.request(loop.ledger.resolve(lineage.train).key)
    again = replace(request, inputs={**request.inputs, "tuned": tuned, "champion": lineage.train})
    attempt = loop.ledger.open_attempt(again.key, 0, Needs().told("task"))
    fit = loop.ledger.ref(loop.ledger.commit(again, attempt, Outcome({}), 60.0, 36.0))
    value = {"latency_ms": {"mean": 0.25}}
    judged = loop.commit("evaluate", {}, {"train": fit, "cold": lineage.train, "champion": lineage.train}, value, {})
    cost = count(loop.ledger, fit, lineage.training_set, judged, PRICES)
    assert sorted(each.step for each in cost.spent) == [
        "evaluate",
        "train",
        "train",
        "training_set",
        "tune",
    ]  # one is the cold twin
    assert (cost.training, cost.thousand) == ((pytest.approx(0.0036), 4), 0.25)


def test_a_model_that_was_trained_elsewhere_has_no_known_cost(tmp_path: Path) -> None:
    loop = Loop.under(tmp_path)
    lineage = loop.package(days=2).entry.lineage
    elsewhere = loop.commit("import", {}, {}, {}, {"model.onnx": b"m"})
    cost = count(loop.ledger, elsewhere, lineage.training_set, lineage.evaluation, PRICES)
    assert cost.training == (None, 0)
    assert cost.words().startswith("training unknown")


def test_what_another_server_scored_says_nothing_of_our_cpus() -> None:
    assert thousand_of({"latency_ms": {"mean": 0.25}}) == 0.25
    assert thousand_of({"latency_ms": {"mean": 0.25}, "remote": "https://elsewhere"}) is None
    assert thousand_of({"latency_ms": {}}) is None
    assert thousand_of({}) is None
