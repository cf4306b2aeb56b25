"""The template with partitions of another length: its spec, its SQL and its made-up rows go by them."""

from __future__ import annotations

import importlib
from datetime import date

import pytest

from include.authoring.cadence import EVERY
from include.authoring.new import make
from include.cli import new
from include.core.catalog import load_spec
from include.core.errors import SpecError
from include.data.raw import RawPartitions
from include.model_contract.definition import definitions
from tests.support.error_message import assert_says
from tests.unit.authoring.conftest import Zoo


@pytest.mark.parametrize("every", [each for each in EVERY if each != "day"])
def test_the_template_is_cut_as_it_is_asked_for(zoo: Zoo, models: object, every: str) -> None:
    del models
    name = f"ape_{every}"
    made = make(name, "template", None, "zoo", (), every)
    spec = load_spec(name, "zoo")
    assert (spec.data.every, spec.data.empty_days) == (EVERY[every], every not in ("day", "week"))
    assert definitions(spec.features)["customer"].sql, "its SQL is of any partition"
    sample = importlib.import_module(f"zoo.{name}.sample_data")
    parts = spec.data.cadence.within_days(date(2024, 1, 1), date(2024, 1, 8))
    rows = sum(len(sample.of_partition(part, "orders")) for part in parts)
    days = (parts[-1].end - parts[0].start).days
    assert rows == days * sample.ORDERS
    assert RawPartitions.of(None, spec).path("orders", parts[0]).startswith(f"raw/{name}/orders/")  # type: ignore[arg-type]
    assert "date" not in (made.folder / "features.py").read_text().split("def entities")[0].replace("update", "")


def test_the_command_offers_what_there_is() -> None:
    assert tuple(EVERY) == new.EVERY


def test_another_model_is_copied_as_it_is(models: object) -> None:
    del models
    with pytest.raises(SpecError) as refused:
        make("bee", "flight_delay", None, "zoo", (), "hour")
    assert_says(refused.value, "is for the template", "nothing was written", "data.every")
