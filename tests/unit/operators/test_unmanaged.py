"""The life of a model that is trained elsewhere, and whose features come with each request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import SpecError
from include.core.spec import Data, Feature, Features, ModelSpec, Serving, Training, View
from include.monitoring.retraining.decision import decide_window
from include.monitoring.retraining.policy import Decision
from include.prediction_log.record import LABEL, PREDICTION, Record
from include.prediction_log.writer import PredictionLog
from include.services.services import Services
from include.versions.lifecycle import set_production
from include.versions.queries import records
from operators.lifecycle import lifecycle_dags
from operators.registry import RegisterModelOperator
from operators.unmanaged import CollectFeedbackOperator, newest_day
from tests.support.operator_runs import Life, Run, settle_in
from tests.support.parcel import ROUTES, write_parcel
from tests.support.unmanaged.parcel.spec import SPEC
from tests.support.wired import (
    CollectLabelledOperator,
    DecideRetrainingOperator,
    GatherPastOperator,
    MonitorAgainstPastOperator,
    ProfilePastOperator,
)

MODEL = "parcel"
START = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def parcels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    (tmp_path / "home").mkdir()
    return settle_in(tmp_path / "home", monkeypatch, models="tests.support.unmanaged")


@pytest.fixture
def served(parcels: Services, tmp_path: Path) -> Services:
    """A model is registered, and in production."""
    model = str(write_parcel(tmp_path / "parcel.onnx"))
    run = Run()
    assert run(RegisterModelOperator(task_id="take_in", model=MODEL, model_uri=model, categories=ROUTES))["stage"] == "Staging"
    assert run.sent == []
    (record,) = records(parcels.control, MODEL)
    assert "the features of parcel are not managed here" in record.entry.gate.reasons[0]
    with parcels.control.transaction() as connection:
        connection.exec_driver_sql("UPDATE slipstream_versions SET stage = 'Candidate'")
        set_production(connection, MODEL, 1)
    return parcels


def ask(services: Services, day: int, rows: int = 60, weight: float = 1.0, labelled: bool = True) -> None:
    """A day's requests, and what the callers said of them an hour later."""
    rng, log = np.random.default_rng(day), PredictionLog(services.settings.home, MODEL)
    asked = []
    for number in range(rows):
        at = START + timedelta(days=day, minutes=10 * number)
        features: dict[str, Any] = {"weight": float(rng.normal(weight, 0.3)), "route": ["air", "sea"][number % 2]}
        name = f"{day}-{number}"
        asked.append(Record(PREDICTION, name, at.isoformat(), at.replace(tzinfo=None).isoformat(), f"u{name}", {}, features,
                            version=1, arm="champion", score=0.3 + 0.4 * (number % 2), generation=1))  # fmt: skip
        if labelled:
            told = at + timedelta(hours=1)
            asked.append(Record(LABEL, name, told.isoformat(), label=float(rng.random() < 0.3 + 0.4 * (number % 2))))
    log.write(asked)
    log.close()


def watch(day: int) -> Run:
    """The window of one day, as its DAG's tasks judge it."""
    run = Run({"as_of": (START + timedelta(days=day + 1)).isoformat()}, run_id=f"manual__{day}")
    run(CollectFeedbackOperator(task_id="labels", model=MODEL))
    run(CollectLabelledOperator(task_id="collect", model=MODEL))
    try:
        run(GatherPastOperator(task_id="past", model=MODEL))
        run(ProfilePastOperator(task_id="reference", model=MODEL))
    except AirflowSkipException:
        run.xcom.pop("past", None)
    run(MonitorAgainstPastOperator(task_id="monitor", model=MODEL))
    return run


def test_it_has_the_dags_that_need_no_features_of_ours() -> None:
    dags = {dag.dag_id: dag for dag in lifecycle_dags(SPEC)}
    assert set(dags) == {"parcel_rollout", "parcel_monitoring"}
    assert {"labels", "collect", "past", "reference", "monitor", "decide", "rotate"} == set(dags["parcel_monitoring"].task_ids)


@pytest.mark.thorough
def test_it_is_watched_on_what_was_logged(served: Services) -> None:
    life = Life(served, MODEL)
    ask(served, 0)
    first = life.result(watch(0).xcom["monitor"]).value
    assert first["collected"]["rows"] == first["collected"]["labelled"] == 60
    assert first["drift"]["verdict"] == "abstain"
    assert first["quality"]["passed"]
    for day in range(1, 8):
        ask(served, day, labelled=day % 2 == 0)
        seen = watch(day)
    usual = life.result(seen.xcom["monitor"]).value
    assert usual["drift"]["verdict"] == "none"
    assert usual["drift"]["past_windows"] == 7
    ask(served, 8, weight=4.0)
    heavy = watch(8)
    value = life.result(heavy.xcom["monitor"]).value
    assert value["drift"]["verdict"] == "drift"
    assert value["drift"]["columns"][0]["name"] == "weight"
    past = served.ledger.request(life.result(heavy.xcom["past"]).key)
    assert len(past.inputs) == 8
    decided = heavy(DecideRetrainingOperator(task_id="decide", model=MODEL))
    assert decided["action"] == "hold"
    assert heavy.sent == []


def test_what_was_found_once_is_found_again(served: Services) -> None:
    ask(served, 0)
    ask(served, 1)
    watch(0)
    once, again = watch(1), watch(1)
    assert once.xcom == again.xcom


def test_a_reason_to_retrain_is_told_and_starts_nothing(parcels: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    wants = Decision("parcel:w", MODEL, "2024-05-02T00:00:00", "retrain", ("drift in 2 windows",), (), "Retraining: drift.", {})
    monkeypatch.setattr("include.monitoring.retraining.decision._facts", lambda *_: None)
    monkeypatch.setattr("include.monitoring.retraining.decision.decide", lambda *_: wants)
    control = parcels.control
    epoch = control.take(f"decision/{MODEL}", "test")
    nothing: Any = type("Result", (), {"value": {}})()
    decision, new = decide_window(control, SPEC, nothing, epoch)
    assert (decision.action, new) == ("hold", True)
    assert decision.summary == (
        "Holding, although drift in 2 windows: it is trained elsewhere: register a newer model (slipstream register)."
    )


def test_yesterday_is_the_newest_day_of_a_model_without_sources(parcels: Services) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert newest_day(parcels, MODEL) in (yesterday, yesterday + timedelta(days=1))  # midnight may pass meanwhile


GOOD: dict[str, Any] = {"name": "parcel", "owner": "x", "description": "x", "label": "lost"}
ASKED = Features(request=(Feature(name="weight"),))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"features": Features()}, "features.request: is needed where there are no data.sources"),
        ({"features": ASKED, "serving": Serving(feedback=("training",))}, "serving.feedback stand on them"),
        ({"features": ASKED, "training": Training(fit="m:f")}, "training.fit stand on them; give both or neither"),
        (
            {"features": Features(request=ASKED.request, views=(View(name="v", keys=("k",), features=(Feature(name="f"),)),))},
            "features.views stand on them",
        ),
        ({"features": ASKED, "data": Data(sources=("s",), first=START.date())}, "features.build: is needed where data.sources"),
    ],
)
def test_a_spec_manages_its_features_or_does_not(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        ModelSpec(**GOOD, **given)


def test_sources_have_a_first_day() -> None:
    with pytest.raises(SpecError, match="first is needed where there are sources"):
        Data(sources=("orders",))
