"""Request features from raw rows to what is served: the training set's values, and what the skew step says of the gateway's."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.request import Ref
from include.core.spec import Feature, Features
from include.core.task import perform
from include.features.skew_step import snapshot
from include.prediction_log.record import Record
from include.prediction_log.shared import log_of
from include.prediction_log.writer import PredictionLog
from include.request_features.compiled import compiled
from include.request_features.definition import RequestFeatures
from tests.support.shop import SPEC, Shop

DAY = date(2013, 1, 4)
SHARE = "price / nullif(mean_price, 0) + hour(event_timestamp)"


def section(expression: str = SHARE) -> Features:
    made = {"request": (Feature(name="shelf", dtype="category"), Feature(name="share", expression=expression))}
    whole = SPEC.features.model_copy(update={**made, "request_fields": (Feature(name="price"),)})
    return Features.model_validate(whole.model_dump(mode="json"))


def by_function(features: Features, row: dict[str, Any]) -> float | None:
    """What the gateway computes of it."""
    wanted = RequestFeatures.of(features)
    assert wanted is not None
    compiled(wanted.expressions, wanted.features)(row, row["event_timestamp"])
    return row["share"]  # type: ignore[no-any-return]  # a number


def test_the_training_set_holds_what_the_gateway_would_have_computed(taken_in: Shop) -> None:
    refs, plain = taken_in.days(8), {}
    for name in ("train", "holdout"):
        plain |= {row["request_id"]: row for row in taken_in.read(taken_in.training_set(refs), name).to_pylist()}
    made = taken_in.training_set(refs, features=section().model_dump(mode="json"))
    rows = [row for name in ("train", "holdout") for row in taken_in.read(made, name).to_pylist()]
    assert list(rows[0]) == [
        "request_id", "event_timestamp", "customer", "orders", "mean_price", "grade", "shelf", "share", "came_back",
    ]  # fmt: skip
    assert len(rows) == len(plain) > 100
    assert [row["share"] for row in rows] == [by_function(section(), plain[row["request_id"]]) for row in rows]


def test_what_has_no_value_is_nan_or_the_default(taken_in: Shop) -> None:
    section_of = section("price / (price - price)").model_dump(mode="json")
    rows = taken_in.read(taken_in.training_set(taken_in.days(8), features=section_of), "train").to_pylist()
    assert all(math.isnan(row["share"]) for row in rows)


def test_a_day_that_was_published_without_a_field_is_refused_by_name(taken_in: Shop) -> None:
    lacking = section().model_dump(mode="json")
    lacking["request"][1]["expression"], lacking["request_fields"][0]["name"] = "weight * 2", "weight"
    with pytest.raises(DataError, match=r"has no column 'weight', which the problem, an expression or fairness reads"):
        taken_in.training_set(taken_in.days(8), features=lacking)


# -- skew -----------------------------------------------------------------------------------------------------------------


def serve(shop: Shop, published: Ref, change: Callable[[float | None], float | None], version: int = 3) -> None:
    """The day's requests with nothing looked up, as the gateway logs them."""
    path = shop.ledger.resolve(published).files["entities.parquet"].path
    log = PredictionLog(shop.settings.home, SPEC.name)
    for row in pq.read_table(shop.ledger.storage.uri(path)).to_pylist():
        features = {"orders": None, "mean_price": None, "grade": None, "price": row["price"], "shelf": row["shelf"]}
        share = change(by_function(section(), {**features, "event_timestamp": row["event_timestamp"]}))
        at, entity = row["event_timestamp"].isoformat(), {"customer": row["customer"] or "nobody"}
        whole = {**features, "share": share}
        log.write([Record("prediction", row["request_id"], f"{at}+00:00", at, "", entity, whole, score=0.5, version=version)])
    log.close()


def skew(shop: Shop, published: Ref, redacted: tuple[str, ...] = (), redefined: tuple[int, ...] = ()) -> dict[str, Any]:
    """Findings of the request's features by name."""
    monitoring = SPEC.monitoring.model_copy(update={"window_days": 1})
    serving = SPEC.serving.model_copy(update={"redact": redacted})
    spec = SPEC.model_copy(update={"features": section(), "monitoring": monitoring, "serving": serving})
    end = datetime.fromisoformat("2013-01-05")
    request = snapshot(log_of(shop.settings), spec, end, {DAY: published}, redefined=redefined)
    result = perform(request, shop.ledger.open_attempt(request.key, 0), shop.ledger, shop.settings)
    return {each["feature"]: each for each in result.value["features"] if not each["view"]}


@pytest.fixture
def published(taken_in: Shop) -> Ref:
    return taken_in.ledger.ref(taken_in.features(DAY))


def test_what_was_computed_is_compared_with_what_duckdb_makes_of_the_same_values(taken_in: Shop, published: Ref) -> None:
    serve(taken_in, published, lambda share: share)
    found = skew(taken_in, published)
    assert set(found) == {"price", "shelf", "share"}
    assert found["share"]["compared"] == 40
    assert [each["mismatched"] for each in found.values()] == [0, 0, 0]


def test_a_gateway_that_computes_otherwise_is_found(taken_in: Shop, published: Ref) -> None:
    serve(taken_in, published, lambda share: None if share is None else share + 0.01)
    found = skew(taken_in, published)
    assert found["share"]["level"] == "error"
    assert found["share"]["mismatched"] == found["share"]["compared"] == 40
    assert found["price"]["mismatched"] == 0


def test_what_reads_a_value_that_is_not_logged_is_left_out(taken_in: Shop, published: Ref) -> None:
    serve(taken_in, published, lambda share: 77.0)
    assert set(skew(taken_in, published, redacted=("price",))) == {"shelf"}


def test_a_version_that_computes_something_else_is_left_out(taken_in: Shop, published: Ref) -> None:
    serve(taken_in, published, lambda share: 77.0, version=2)
    assert skew(taken_in, published, redefined=(2,))["share"]["compared"] == 0
