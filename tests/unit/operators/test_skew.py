"""The skew task: fails where serving computes a value differently, in every run but a backfill."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.core.errors import DataError
from include.features.skew.findings import last_shares
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from operators.monitoring import CheckSkewOperator
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.unit.operators.models.shop.orders import orders_of

WINDOW = (day(3), day(5))


def serve(life: Life, discount: float = 1.0) -> None:
    log = PredictionLog(life.services.settings.home, MODEL)
    log.write([_record(order, discount) for order in orders_of(day(4)).to_pylist()])
    log.close()


def _record(order: dict[str, Any], discount: float) -> Record:
    at = order["ordered_at"]
    features = {"mean_price": None, "bought": None, "price": order["price"] * discount, "shelf": order["shelf"]}
    written = (at + timedelta(seconds=1)).isoformat()
    return Record("prediction", order["id"], written, at.isoformat(), "", {"customer": order["customer"]}, features, 1, score=0.5)


def skew(run: Run, life: Life) -> dict[str, Any]:
    return dict(life.result(run(CheckSkewOperator(task_id="skew", model=MODEL))).value)


def test_it_passes_and_keeps_the_shares_where_both_sides_agree(published: Life) -> None:
    serve(published)
    value = skew(Run(interval=WINDOW, run_type="scheduled"), published)
    assert value["level"] != "error"
    assert {row["feature"]: row["mismatched"] for row in value["features"]} == dict.fromkeys(
        ("mean_price", "bought", "price", "shelf"), 0
    )
    assert last_shares(published.services.control, MODEL) == dict.fromkeys(("mean_price", "bought", "price", "shelf"), 0.0)


def test_it_fails_with_the_feature_and_an_example(published: Life) -> None:
    serve(published, discount=0.9)
    with pytest.raises(DataError, match=r"Training-serving skew in shop: price: \d+ of \d+ values differ") as caught:
        skew(Run(interval=WINDOW, run_type="scheduled"), published)
    assert caught.value.seen == {"price": 1.0}
    assert last_shares(published.services.control, MODEL)["price"] == 1.0


def test_a_backfill_is_reported_and_goes_on(published: Life) -> None:
    serve(published, discount=0.9)
    assert skew(Run(interval=WINDOW, run_type="backfill"), published)["level"] == "error"


def test_nothing_served_is_nothing_to_compare(published: Life) -> None:
    value = skew(Run(interval=WINDOW, run_type="scheduled"), published)
    assert (value["level"], value["sampled"]) == ("ok", 0)
