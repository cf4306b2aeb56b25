"""The real flights of 2013 against their own expectations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.core.ledger import Ledger
from include.core.request import Request
from include.core.settings import Settings
from include.core.storage import LocalStorage, Storage
from include.core.task import perform
from include.data.raw import RawPartitions
from include.demo.flights import SOURCES, land
from include.models.flight_delay.expectations import EXPECTATIONS
from include.models.flight_delay.spec import SPEC


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = LocalStorage(tmp_path_factory.mktemp("store"))
    land(storage, date(2013, 2, 8), date(2013, 2, 12))
    return storage


def validate(storage: Storage, day: str, home: Path) -> Mapping[str, Any]:
    raw = RawPartitions(storage, "flight_delay")
    sources = {name: raw.digest(name, date.fromisoformat(day)) for name in SOURCES}
    params = {"day": day, "sources": sources, "expectations": SPEC.expectations}
    request = Request("validate", "include.validation.validate_step:run", "flight_delay", params)
    ledger = Ledger(storage)
    return perform(request, ledger.open_attempt(request.key, 0), ledger, Settings(home=home, root=storage.root)).value


def test_every_source_and_the_training_set_have_expectations() -> None:
    assert set(EXPECTATIONS) == {*SPEC.data.sources, "training_set"}


def test_a_blizzard_is_data_and_no_error(storage: Storage, tmp_path: Path) -> None:
    value = validate(storage, "2013-02-09", tmp_path)
    assert value["passed"]
    assert {name: source["quarantined"] for name, source in value["sources"].items()} == dict.fromkeys(SOURCES, 0)
    assert value["sources"]["landings"]["rows"] < value["sources"]["flights"]["rows"] / 2


def test_the_one_impossible_wind_of_the_year_is_set_aside(storage: Storage, tmp_path: Path) -> None:
    value = validate(storage, "2013-02-12", tmp_path)
    assert value["passed"]
    failed = [check for check in value["sources"]["weather"]["checks"] if not check["success"]]
    assert [(check["column"], check["unexpected"], check["sample"]) for check in failed] == [("wind_speed", 1, [1048.36058])]
    assert value["sources"]["weather"]["quarantined"] == 1


def test_the_training_set_rules_read_columns_that_the_spec_makes() -> None:
    known = {feature.name for feature in SPEC.features.inputs} | {SPEC.label, "event_timestamp", *SPEC.features.keys}
    assert {column for rule in EXPECTATIONS["training_set"].rules for column in rule.columns} <= known
