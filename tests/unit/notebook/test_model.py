"""A model worked on by hand: what it gives, what it finds again, and what it refuses."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest

from include.core.errors import DataError, ValidationFailed
from include.notebook import Fit, Model, TrainingSet
from include.notebook.comparison import refuse_incomparable
from include.row_rules.expectation import Expectation
from include.versions.record import Stage
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Run, day
from tests.support.versions import move
from tests.unit.notebook.conftest import DAYS, Desk
from tests.unit.operators.models.shop import expectations
from tests.unit.operators.models.shop.orders import PER_DAY
from tests.unit.operators.models.shop.spec import SPEC


def test_the_rows_are_frames_and_the_days_they_need_were_made(worked: Desk, rows: TrainingSet) -> None:
    made = rows
    assert len(made.train) == (DAYS - 1) * PER_DAY
    assert len(made.holdout) == PER_DAY
    assert made.frame["held_out"].sum() == PER_DAY
    assert {"request_id", "event_timestamp", "mean_price", "shelf", SPEC.label} <= set(made.train.columns)
    assert made.as_of == "2013-01-05T00:00:00"  # the end of the newest day that has landed
    said = (worked.services.settings.home / "said").read_text().splitlines()
    assert said[0] == "4 of 4 days of shop are not published: their features are made here."
    assert said[-1].startswith("features: 4 of 4 days (")
    assert made.key.startswith("training_set/")


@pytest.mark.parametrize(
    "as_of", ["2013-01-05", date(2013, 1, 5), datetime.fromisoformat("2013-01-05"), "2013-01-05T01:00:00+01:00"]
)
def test_a_moment_may_be_given_in_any_form(worked: Desk, rows: TrainingSet, as_of: str | date | datetime) -> None:
    assert worked.model.training_set(as_of).key == rows.key


def test_what_was_made_is_found_in_another_process(worked: Desk) -> None:
    before = worked.commits()
    evaluation = worked.again().evaluate(worked.again().fit(worked.again().training_set()))
    assert evaluation.reused
    assert worked.commits() == before
    assert worked.said == []


def test_the_dag_finds_what_was_made_by_hand_and_computes_nothing(worked: Desk) -> None:
    before = worked.commits()
    for number in range(1, DAYS + 1):
        worked.life.publish(day(number))
    run = worked.life.trained()
    assert worked.commits() == before
    evaluation = worked.again().evaluate()
    assert run.xcom["evaluate"]["digest"] == evaluation.digest


@pytest.mark.thorough
def test_by_hand_is_found_what_the_dag_has_made(desk: Desk) -> None:
    for number in range(1, DAYS + 1):
        desk.life.publish(day(number))
    run = desk.life.trained()
    before = desk.commits()
    evaluation = desk.model.evaluate()
    assert desk.commits() == before
    assert evaluation.reused
    assert evaluation.digest == run.xcom["evaluate"]["digest"]


def test_days_that_are_missing_may_be_refused_or_ignored(desk: Desk) -> None:
    with pytest.raises(DataError) as refused:
        desk.model.training_set("2013-01-05", missing="refuse")
    assert_says(refused.value, "4 of 4 days", "2013-01-01", "slipstream training-set shop")
    with pytest.raises(DataError, match="No day is published"):
        desk.model.training_set("2013-01-05", missing="ignore")


def test_a_day_that_fails_is_named_and_holds_up_no_other(worked: Desk) -> None:
    worked.life.land(day(5), orders={"currency": ["USD"] * PER_DAY})
    worked.life.land(day(6))
    made = worked.model.training_set()
    assert made.value["rows"] == (DAYS + 1) * PER_DAY
    assert any("features of 2013-01-05 failed" in line and "currency" in line for line in worked.said)
    assert worked.said[-1] == "warning: the training set lacks 1 days that failed: 2013-01-05"


def test_nothing_landed_says_where_to_land(desk: Desk) -> None:
    with pytest.raises(DataError) as refused:
        desk.model.training_set("2012-12-01")
    assert_says(refused.value, "raw/shop", "land days there")


def test_features_of_days_are_made_again_where_their_data_were_corrected(worked: Desk) -> None:
    assert [made.state for made in worked.model.features("2013-01-01", "2013-01-04")] == ["reused"] * 4
    worked.life.land(day(3), orders={"price": [5.0] * PER_DAY})
    states = {made.day: made.state for made in worked.model.features(day(1), day(4))}
    assert states == {day(1): "reused", day(2): "reused", day(3): "computed", day(4): "computed"}  # the next reads it, too
    with pytest.raises(DataError) as refused:
        worked.model.features("2013-01-04", "2013-01-06")
    assert_says(refused.value, "2 of the days have not landed", "2013-01-05")


def test_a_fit_shows_its_key_metrics_and_scores(worked: Desk, rows: TrainingSet, fitted: Fit) -> None:
    assert fitted.reused
    assert fitted.params == {"ridge": 1.0}
    assert fitted.training_set == rows.ref
    scores = fitted.score(rows.holdout)
    assert scores.shape == (PER_DAY,)
    assert np.all((scores >= 0) & (scores <= 1))
    assert fitted.key in repr(fitted)
    assert "found in the ledger" in repr(fitted)
    assert "<table>" in fitted._repr_html_()


def test_parameters_are_those_of_the_spec_and_of_tuning(worked: Desk, rows: TrainingSet, fitted: Fit) -> None:
    assert worked.model.fit(rows, params={"ridge": 1.0}).key == fitted.key
    other = worked.model.fit(rows, params={"ridge": 9.0})
    assert other.params == {"ridge": 9.0}
    assert worked.model.fit(rows, tune=True).params["ridge"] in (1.0, 9.0)
    with pytest.raises(DataError) as refused:
        worked.model.fit(rows, params={"rigde": 9.0})
    assert_says(refused.value, "no parameter 'rigde'", "did you mean ridge")
    with pytest.raises(DataError, match="is no plain value"):
        worked.model.fit(rows, params={"ridge": np.float32(2)})


def test_rows_that_break_a_rule_are_not_fitted(worked: Desk, rows: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Expectation("ExpectColumnMeanToBeBetween", column="price", min_value=1000)
    monkeypatch.setitem(expectations.EXPECTATIONS, "training_set", (rule,))  # type: ignore[arg-type]
    worked.services.storage.delete("ledger/validate_training_set")  # the file of the rules is as it was
    with pytest.raises(ValidationFailed, match="price"):
        worked.model.fit(rows)


def test_an_evaluation_has_figures_a_gate_and_a_report(worked: Desk, fitted: Fit) -> None:
    made = worked.model.evaluate(fitted)
    assert made.passed
    assert made.champion is None
    assert list(made.table.index) == ["this fit", "boosted"]
    assert {"slice", "value", "rows"} <= set(made.slices.columns)
    assert made.report.endswith("report.html")
    assert "gate" in repr(made)


def champion(desk: Desk) -> int:
    """The registered version, put into production."""
    run = desk.life.registered(Run(run_id="first"))
    version = int(run.xcom["register"]["version"])
    move(desk.services.control, MODEL, version, Stage.PRODUCTION, "t")
    return version


def test_two_fits_and_a_fit_and_the_champion_are_compared_row_by_row(worked: Desk, rows: TrainingSet, fitted: Fit) -> None:
    other = worked.model.fit(rows, params={"ridge": 9.0})
    with pytest.raises(DataError) as refused:
        worked.model.compare(other)
    assert_says(refused.value, "no champion yet", "slipstream compare shop FIT OTHER")
    version = champion(worked)
    made = worked.model.compare(other)
    low, high = made.interval
    assert low <= -made.difference.worse <= high
    assert "champion" in made.verdict
    assert worked.model.compare(other, version).key == worked.model.compare(other, fitted).key == made.key
    assert worked.model.evaluate(other).key == made.key  # the DAG's own evaluation against that champion
    back = worked.model.compare(fitted, other)
    assert back.difference.worse == pytest.approx(-made.difference.worse, abs=1e-6)
    assert worked.model.champion is not None
    assert worked.model.champion.key == fitted.key
    with pytest.raises(DataError, match="Both are the same fit"):
        worked.model.compare(fitted)


def test_a_fit_that_has_seen_the_held_out_rows_is_not_compared_on_them(worked: Desk, rows: TrainingSet, fitted: Fit) -> None:
    worked.life.land(day(DAYS + 1))
    later = worked.model.fit()
    made = worked.model.compare(fitted, later)
    assert made.request.inputs["training_set"] == later.training_set  # the holdout of the later one
    with pytest.raises(DataError) as refused:
        worked.model.compare(fitted, later, on=rows)
    assert_says(refused.value, later.key[:18], "learnt from rows that are held out")


def test_a_fit_is_found_by_the_beginning_of_its_key(worked: Desk, rows: TrainingSet, fitted: Fit) -> None:
    assert worked.model.find(fitted.key[:12]).digest == fitted.digest
    assert worked.model.find(fitted.key.removeprefix("train/")).digest == fitted.digest
    worked.model.fit(rows, params={"ridge": 9.0})
    with pytest.raises(DataError, match="2 fits of shop"):
        worked.model.find("train/")
    with pytest.raises(DataError) as refused:
        worked.model.find("train/zzz")
    assert_says(refused.value, "no fit of shop", fitted.key)


def test_an_unknown_model_is_refused_with_those_there_are(worked: Desk) -> None:
    with pytest.raises(DataError, match="did you mean shop"):
        Model("shopp", services=worked.services)


def test_fits_of_two_kinds_of_problems_have_no_difference() -> None:
    words = "the champion is a Regression of value, this model a Binary of score"
    with pytest.raises(DataError, match="one is a Regression of value, the other a Binary of score"):
        refuse_incomparable({"incomparable": words})  # type: ignore[typeddict-item]
    refuse_incomparable({})  # type: ignore[typeddict-item]
