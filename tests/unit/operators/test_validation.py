"""A day's verdict: passed, passed with rows set aside, or stopped; committed before it is acted on."""

from __future__ import annotations

import pyarrow as pa
import pytest

from include.core.errors import ValidationFailed
from include.data.published import published
from operators.validation import ValidateDataOperator
from tests.support.error_message import assert_says
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import ValidateTrainingSetOperator
from tests.unit.operators.models.shop.orders import PER_DAY, orders_of

THREE_BAD = {"price": [-1.0, 5000.0, None, *[7.0] * (PER_DAY - 3)], "id": [None, *(f"x-{n}" for n in range(1, PER_DAY))]}
DOLLARS = {"currency": ["USD", *["EUR"] * (PER_DAY - 1)]}


def validate(run: Run) -> dict[str, str]:
    value: dict[str, str] = run(ValidateDataOperator(task_id="validate", model=MODEL))
    return value


def test_good_data_pass_and_the_data_docs_are_linked(life: Life) -> None:
    life.land(day(1))
    operator = ValidateDataOperator(task_id="validate", model=MODEL)
    result = life.result(Run({"day": "2013-01-01"})(operator))
    assert result.value["passed"]
    assert result.value["sources"]["orders"]["rows"] == PER_DAY
    assert operator.links["Data docs"] == f"/slipstream/files/{result.files['docs.html'].path}"


def test_bad_rows_go_to_quarantine_with_their_reason_and_the_others_go_on(life: Life) -> None:
    life.land(day(1), orders=THREE_BAD)
    run = life.publish(day(1))
    verdict = life.result(run.xcom["validate"])
    held = life.table(verdict, "quarantine-orders.parquet")
    assert verdict.value["passed"]
    assert verdict.value["sources"]["orders"]["quarantined"] == held.num_rows == 2
    assert "ExpectColumnValuesToNotBeNull(column='id')" in held["reason"][0].as_py()
    assert "max_value=100" in held["reason"][1].as_py()
    entities = life.table(life.result(run.xcom["publish"]), "entities.parquet")
    assert entities.num_rows == PER_DAY - 2


def test_a_stopped_day_fails_after_its_verdict_is_committed_and_names_the_files(life: Life) -> None:
    life.land(day(1), orders={**THREE_BAD, **DOLLARS})
    run = Run({"day": "2013-01-01"})
    with pytest.raises(ValidationFailed) as failed:
        validate(run)
    request = ValidateDataOperator(task_id="validate", model=MODEL).build(run.context("validate"), life.services)
    verdict = life.services.ledger.result(request.key)
    assert verdict is not None
    assert not verdict.value["passed"]
    files = [life.services.storage.uri(verdict.files[name].path) for name in ("docs.html", "quarantine-orders.parquet")]
    assert_says(failed.value, "2013-01-01 failed validation", "currency", "USD", "nothing was published", *files)
    assert published(life.services.control, MODEL, day(1), day(1)) == {}


def test_a_failed_verdict_is_not_judged_again_and_a_corrected_day_passes(life: Life) -> None:
    life.land(day(1), orders=DOLLARS)
    for _ in range(2):
        with pytest.raises(ValidationFailed):
            validate(Run({"day": "2013-01-01"}))
    results = [path for path in life.services.storage.list("ledger/validate") if path.endswith("result.json")]
    assert len(results) == 1
    life.land(day(1))
    assert life.result(validate(Run({"day": "2013-01-01"}))).value["passed"]


def test_a_training_set_that_breaks_a_rule_stops_the_run(registered: Life, nursery: Nursery) -> None:
    """A snapshot whose holdout is older than its training rows: no operator makes one, so it is forged."""
    run = nursery.run()
    made = registered.result(run.xcom["build_training_set"])
    swapped = {"train.parquet": "holdout.parquet", "holdout.parquet": "train.parquet"}
    forged = registered.commit("training_set", made.value, {name: registered.path(made, of) for name, of in swapped.items()})
    run.xcom["build_training_set"] = forged
    with pytest.raises(ValidationFailed) as failed:
        run(ValidateTrainingSetOperator(task_id="validate_training_set", model=MODEL))
    assert_says(failed.value, "The data of the training set failed validation", "the holdout is later than the training rows")


def test_an_expected_column_that_is_gone_names_the_file_and_the_rule(life: Life) -> None:
    life.put("orders", day(1), orders_of(day(1)).drop_columns("currency"))
    life.put("returns", day(1), pa.table({"id": ["a"], "came_back": [1], "known_at": [None]}))
    with pytest.raises(Exception, match="has no column 'currency'") as failed:
        validate(Run({"day": "2013-01-01"}))
    assert_says(failed.value, "The schema of orders of 2013-01-01 changed")  # type: ignore[arg-type]
