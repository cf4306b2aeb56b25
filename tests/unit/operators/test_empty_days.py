"""A day on which nothing happened, where the spec allows it: the day, the days after it, and all that is made of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.core.errors import DataError
from include.core.spec import ModelSpec
from include.data.published import published
from include.features.online.stream import stream_rows
from include.point_in_time.partition import results
from include.versions.lifecycle import set_production
from operators.monitoring import CollectPredictionsOperator, ProfileReferenceOperator
from operators.scoring import ScoreBatchOperator
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import FreshnessSensor, MonitorModelOperator
from tests.unit.operators.models.shop.orders import orders_of, returns_of
from tests.unit.operators.models.shop.spec import SPEC

pytestmark = pytest.mark.thorough  # whole days through every step

ALLOWED = SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"empty_days": True})})


def use(monkeypatch: pytest.MonkeyPatch, spec: ModelSpec) -> None:
    for name in ("spec", "owner"):
        monkeypatch.setattr(f"include.services.services.Services.{name}", lambda self, model: spec)


def land_empty(life: Life, number: int) -> None:
    life.put("orders", day(number), orders_of(day(number)).slice(0, 0))
    life.put("returns", day(number), returns_of(day(number)).slice(0, 0))


def rows(life: Life, number: int) -> dict[str, int]:
    ref = published(life.services.control, MODEL, day(number), day(number))[day(number)]
    (result,) = results(life.services.ledger, {"": ref}).values()
    value: dict[str, int] = result.value["rows"]
    return value


def test_by_default_it_is_refused_with_the_field_that_allows_it(life: Life) -> None:
    land_empty(life, 1)
    with pytest.raises(DataError, match=r"(?s)has no rows.*data\.empty_days"):
        life.publish(day(1))


def test_it_is_published_without_rows_and_the_days_after_it_with_theirs(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ALLOWED)
    for number in (1, 3, 4):
        life.land(day(number))
    land_empty(life, 2)
    runs = [life.publish(day(number)) for number in (1, 2, 3, 4)]
    assert rows(life, 2) == {"customer": 0, "entities": 0, "labels": 0}
    assert rows(life, 3)["entities"] == 200
    assert rows(life, 3)["customer"] > 0
    reports = [life.materialize(run)["views"]["customer"] for run in runs]
    assert reports[1]["entities"] == reports[1]["written"] == 0
    assert reports[2]["written"] > 0


def test_a_source_that_is_empty_alone_is_a_day_too(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ALLOWED)
    life.land(day(1))
    life.put("returns", day(1), returns_of(day(1)).slice(0, 0))
    life.publish(day(1))
    assert rows(life, 1)["labels"] == 0
    assert rows(life, 1)["entities"] == 200


def test_many_empty_days_and_the_first_of_all(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ALLOWED)
    for number in (1, 2, 3, 4):
        land_empty(life, number)
        life.publish(day(number))
    with pytest.raises(DataError, match="No row was asked"):
        life.snapshot(Run({"as_of": "2013-01-05"}))


def test_a_file_that_is_no_parquet_stays_no_empty_day(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ALLOWED)
    life.land(day(1))
    life.services.storage.write(life.raw.path("orders", day(1)), b"")
    with pytest.raises(DataError, match="is empty"):
        life.publish(day(1))


def test_a_day_with_rows_is_not_replaced_by_an_empty_one(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ALLOWED)
    life.land(day(1))
    life.publish(day(1))
    land_empty(life, 1)
    with pytest.raises(DataError, match="would shrink"):
        life.publish(day(1))


def test_the_whole_loop_goes_over_an_empty_day(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ALLOWED)
    for number in (1, 2, 4, 5):
        life.land(day(number))
    land_empty(life, 3)
    for number in (1, 2, 3, 4, 5):
        life.publish(day(number))
    run = life.registered(Run({"as_of": "2013-01-06"}))
    assert life.result(run.xcom["build_training_set"]).value["rows"] == 800
    with life.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    land_empty(life, 6)
    life.publish(day(6))
    scored = life.result(Run({"day": "2013-01-06"})(ScoreBatchOperator(task_id="score", model=MODEL)))
    assert scored.value["rows"] == 0
    monitored_version = Run(interval=(day(5), day(7)), run_type="scheduled")
    for kind, name in ((CollectPredictionsOperator, "collect"), (ProfileReferenceOperator, "reference")):
        monitored_version(kind(task_id=name, model=MODEL))
    monitored_version(MonitorModelOperator(task_id="monitor", model=MODEL))
    assert list(stream_rows(ALLOWED, life.raw, day(6), day(6))) == []


def test_freshness_waits_for_no_view_of_which_the_day_has_no_rows(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    view = SPEC.features.views[0].model_copy(update={"freshness": timedelta(hours=30)})
    features = SPEC.features.model_copy(update={"views": (view,)})
    run: Any = None
    for allowed in (True, False):
        use(
            monkeypatch,
            ALLOWED.model_copy(update={"features": features, "data": SPEC.data.model_copy(update={"empty_days": allowed})}),
        )
        if run is None:
            land_empty(life, 1)
            run = life.publish(day(1), Run({"day": "2013-01-01"}, interval=(day(1), day(2))))
        assert run.task(FreshnessSensor(task_id="fresh", model=MODEL)).poke(run.context("fresh")) is allowed


def test_a_day_whose_column_holds_nothing_is_judged_by_the_rules_of_the_other_days_type(life: Life) -> None:
    life.land(day(1))
    life.publish(day(1))
    life.land(day(2), {"price": [None] * 200})  # a column of Parquet's own null type, under a numeric rule
    life.publish(day(2))
    assert set(published(life.services.control, MODEL, day(1), day(2))) == {day(1), day(2)}
