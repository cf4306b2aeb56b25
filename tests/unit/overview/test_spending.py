"""Costs by model and version: what is known is added, what is not is said, and two currencies are never one sum."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.core.control import ControlStore
from include.costs.kept import keep, kept
from include.costs.prices import Prices
from include.costs.spent import Spent
from include.costs.version import VersionCost
from include.overview.spending import of_model, spending
from tests.support.console_home import NAME, Home
from tests.support.console_home import home as home
from tests.support.stores import empty_control


def test_a_line_adds_what_its_versions_took(home: Home) -> None:
    (line,) = spending(home.control, {NAME: "pricing"})
    costs = kept(home.control, NAME)
    assert (line["versions"], line["champion"], line["owner"], line["currency"]) == (2, 2, "pricing", "EUR")
    assert line["trainings"]["money"] == pytest.approx(sum(cost.training[0] or 0 for cost in costs.values()))
    assert line["trainings"]["unpriced"] == 0
    assert line["thousand"]["cpu_seconds"] == 0.024
    assert [each["version"] for each in of_model(costs)] == [2, 1]
    assert of_model(costs)[0]["words"]["training"].endswith("EUR")


@pytest.fixture
def control(tmp_path: pytest.TempPathFactory) -> ControlStore:
    return empty_control(tmp_path)  # type: ignore[arg-type]  # a path


def test_what_is_unknown_is_said_and_in_no_sum(control: ControlStore) -> None:
    known, unknown = Spent("train", 1, 3600.0, 1.0, 0.0, 0.0), Spent("train", 2, None, None, 0.0, 0.0)
    keep(control, "a", 1, VersionCost((known, unknown), None, 0.0, Prices("EUR", cpu_hour=2.0, memory_gb_hour=0.0)))
    first, second = spending(control, {"a": "x", "b": "y"})
    assert (first["trainings"]["money"], first["trainings"]["unpriced"], first["trainings"]["untimed"]) == (2.0, 1, 1)
    assert first["trainings"]["words"] == "at least 2.00 EUR (1 attempt unknown)"
    assert first["thousand"] is None  # nothing is served
    assert (second["versions"], second["newest"], second["trainings"]["money"]) == (0, None, None)


def test_two_currencies_are_not_added(control: ControlStore) -> None:
    cost = VersionCost((Spent("train", 1, 3600.0, 1.0, 0.0, 0.0),), None, 0.0, Prices("EUR", cpu_hour=2.0))
    keep(control, "a", 1, cost)
    keep(control, "a", 2, cost.by(replace(cost.prices, currency="USD")))
    (line,) = spending(control, {"a": "x"})
    assert (line["currency"], line["trainings"]["money"], line["trainings"]["words"]) == ("", None, "in several currencies")
