"""A definition outlives its code: the SQL of any day, and the views that a model reads by the versions it pins."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import DataError
from include.core.partition import DAILY
from include.core.spec import Feature
from include.model_contract.definition import (
    Definition,
    definitions,
    present_views,
    readers,
    routed_pins,
    template,
    views_of_model,
)
from include.model_contract.view_version import DAY, versions
from include.services.services import Services
from tests.support.pinned_sets import pin
from tests.support.shop import HERE, SPEC, views

FEATURES = SPEC.features


def sql(day: date) -> str:
    return f"SELECT {{'a': 1}}, DATE '{day}' AS d, '{day - timedelta(days=7)}', DATE '1999-12-31', '12345-01-01' FROM orders"


def signature(pins: dict[str, str], **made: Definition) -> dict[str, Any]:
    inputs = [{"name": feature.name, "dtype": feature.dtype} for feature in FEATURES.inputs]
    return {"inputs": inputs, "views": pins, "definitions": {name: each.to_json() for name, each in made.items()}}


def test_a_definition_gives_the_sql_of_any_day() -> None:
    other = date(2008, 11, 27)
    kept = Definition(FEATURES.views[0], template([sql(DAY), sql(other)], DAILY))
    assert [kept.on(day) for day in (DAY, other, date(2013, 3, 1))] == [sql(DAY), sql(other), sql(date(2013, 3, 1))]
    (made,) = definitions(FEATURES).values()
    assert made.on(date(2013, 1, 2)) == views(date(2013, 1, 2))["customer"]
    assert Definition.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    "unlike",
    [
        lambda day: f"SELECT {day:%Y%m%d}",
        lambda day: f"SELECT '{day}' {'AND late' if day.month == 2 else ''}",
        lambda day: f"SELECT '{day.replace(day=1)}'",
        lambda day: f"SELECT '{day}', '{{{{day}}}}'",
        lambda day: f"SELECT '{day}', '2013-99-99'",
    ],
)
def test_sql_that_differs_by_more_than_dates_is_not_kept_and_reported(unlike: Any) -> None:
    kept = Definition(FEATURES.views[0], template([unlike(DAY), unlike(date(2008, 11, 27))], DAILY))
    with pytest.raises(DataError, match="cannot be computed any more"):
        kept.on(date(2013, 1, 1))


def test_a_model_reads_the_versions_it_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    before, made = versions(FEATURES), definitions(FEATURES)
    assert views_of_model(signature({}), FEATURES) == FEATURES.views, "without pins: rows without a version"
    assert views_of_model(signature(before), FEATURES) == present_views(FEATURES)
    monkeypatch.setattr(f"{HERE}.views", lambda day: {"customer": f"SELECT 1, '{day}' FROM orders"})
    assert versions(FEATURES) != before
    assert views_of_model(signature(before, **made), FEATURES) == (made["customer"].view,), "by the definition it brought"
    with pytest.raises(
        DataError, match=f"trained on as version {before['customer']}, present is {versions(FEATURES)['customer']}"
    ):
        views_of_model(signature(before), FEATURES)


def test_a_model_whose_inputs_no_view_has_is_refused() -> None:
    pins = signature(versions(FEATURES))
    pins["inputs"] += [{"name": "age", "dtype": "float"}]
    pins["inputs"][0]["dtype"] = "float"
    with pytest.raises(DataError, match="input 'orders' is int, was float; input 'age' is gone"):
        views_of_model(pins, FEATURES)


def test_a_model_of_another_schema_brings_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    made, pins = definitions(FEATURES), signature(versions(FEATURES), **definitions(FEATURES))
    view = FEATURES.views[0]
    wider = FEATURES.model_copy(
        update={"views": (view.model_copy(update={"features": (*view.features[1:], Feature(name="age"))}),)}
    )
    assert views_of_model(pins, wider) == (made["customer"].view,)


def test_a_view_that_moved_into_a_feature_set_is_read_where_the_model_was_trained_on_it() -> None:
    """Its definition, and so its version, is the same; its rows lie under another name."""
    made, pins = definitions(FEATURES), versions(FEATURES)
    moved = FEATURES.views[0].model_copy(update={"set": "buyers", "build": f"{HERE}:views"})
    now = FEATURES.model_copy(update={"views": (moved,), "sets": ("buyers",)})
    assert versions(now) == pins
    (read,) = views_of_model(signature(pins, **made), now)
    assert (read.set, read.version) == ("", pins["customer"]), "a version of before reads its own rows"
    theirs = {name: Definition(each.view.model_copy(update={"set": "buyers"}), each.sql) for name, each in made.items()}
    (read,) = views_of_model(signature(pins, **theirs), now)
    assert (read.set, read.owner("shop")) == ("buyers", "buyers")
    assert definitions(now)["customer"].to_json()["view"]["set"] == "buyers"


def test_a_set_keeps_what_any_model_pins_and_a_damaged_version_pins_nothing(tmp_path: Path) -> None:
    services = Services.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    (present,) = definitions(FEATURES).values()

    def of(version: str, owner: str = "buyers") -> Definition:
        return Definition(present.view.model_copy(update={"version": version, "set": owner}), present.sql)

    pin(services, "dog", 4, of("lost"))
    for path in services.storage.list("ledger/train"):
        if path.endswith("result.json"):
            services.storage.delete(path)
    for number, (model, definition) in enumerate([("ant", of("one")), ("bear", of("two")), ("cat", of("one", ""))], start=1):
        pin(services, model, number, definition)
    found = routed_pins(services.control, services.ledger, "buyers", shared=True)
    assert [each.view.version for each in found.definitions] == ["one", "two"]
    assert not found.unpinned
    own = routed_pins(services.control, services.ledger, "cat")
    assert [each.view.version for each in own.definitions] == ["one"], "a model's own view of the same name"
    known = readers(services.control, services.ledger)
    assert known == {
        ("buyers", "customer", "one"): [("ant", 1, True)], ("buyers", "customer", "two"): [("bear", 2, True)],
        ("cat", "customer", "one"): [("cat", 3, True)],
    }  # fmt: skip
    with pytest.raises((DataError, FileNotFoundError)):
        routed_pins(services.control, services.ledger, "dog")
