"""The key of every step's request, held fixed: what a notebook asks is what the DAG has computed, in this release and the last.

A request's body without its code is pinned, by step and model. A change here computes everything again that users have.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.digest import code_digest, digest_json
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Ref, Request
from include.core.settings import Settings
from include.core.spec import Attribute, Fairness, ModelSpec
from include.core.storage import open_storage
from include.core.time import end_of_day, start_of_day
from include.data.published import publish, resource
from include.evaluation.request import evaluate_request
from include.features.request import skew_request, training_set_request
from include.features.withdrawn_step import snapshot
from include.monitoring.request import collect_request, monitor_request, reference_request, shadows_request
from include.monitoring.shadows_step import WINDOWS
from include.point_in_time.known import known_days
from include.prediction_log.shared import log_of
from include.scoring.request import score_request
from include.training.request import train_request, tune_request
from include.validation.request import training_set_verdict_request
from include.versions.lifecycle import Stage
from include.versions.record import Entry, Gate, Lineage, VersionRecord

MODELS = {
    "flight_delay": "include.models",
    "shop": "tests.unit.operators.models",
    "late_departure": "examples.models",
}
PINNED = json.loads(Path(__file__).with_name("request_bodies.json").read_text())
AS_OF = datetime.fromisoformat("2013-03-04")
DAYS = [date(2013, 3, number) for number in (1, 2, 3)]


def ref(kind: str) -> Ref:
    return Ref(f"ledger/{kind}/{'0' * 32}/g0/result.json", digest_json(kind), kind)


def champion(model: str) -> VersionRecord:
    lineage = Lineage(ref("champion_train"), ref("champion_set"), ref("evaluate"), "", "", "")
    entry = Entry(model, "", lineage, Gate(True), {"auc": 0.7}, threshold=0.5)
    return VersionRecord(entry, 3, "1.0.0", Stage.PRODUCTION, "", "")


class Resolved(Ledger):
    """Every result is of the same few words."""

    def resolve(self, ref: Ref) -> Any:
        del ref
        return type("Made", (), {"value": {}})


def requests(spec: ModelSpec, home: Path) -> dict[str, Request]:
    """One of each step, of the same inputs."""
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
    control = ControlStore(f"sqlite:///{home}/control.db")
    control.create_tables()
    for day in DAYS:
        epoch = control.take(resource(spec.name, day), "test")
        publish(control, spec.name, day, ref(f"features{day.day}"), {"entities": 1}, epoch)
    ledger, version, chosen = Resolved(open_storage(str(home))), champion(spec.name), {"a": 1}
    asked, made = ref("training_set"), ref("train")
    withdrawn = ref("withdrawn") if spec.training.without_withdrawn else None
    start = start_of_day(DAYS[-1]) - timedelta(days=spec.data.lookback_days)
    days = known_days(control, spec.name, spec.features.views, start, end_of_day(DAYS[-1]))
    probed = spec.training.window_days + WINDOWS * spec.monitoring.window_days
    return {
        "training_set": training_set_request(spec, AS_OF, control, withdrawn=withdrawn),
        "history": training_set_request(spec, AS_OF, control, window_days=probed, attributes=False),
        "withdrawn": snapshot(log_of(settings), spec, AS_OF.isoformat(), []),
        "validate_training_set": training_set_verdict_request(spec, asked),
        "tune": tune_request(spec, asked),
        "train": train_request(spec, asked, chosen),
        "train_untuned": train_request(spec, asked),
        "evaluate": evaluate_request(spec, asked, made, version.entry.lineage.train),
        "collect": collect_request(spec, AS_OF, control, log_of(settings), []),
        "reference": reference_request(spec, version.entry.lineage.training_set, version.entry.lineage.train),
        "monitor": monitor_request(spec, ref("collect"), version, [], ref("reference")),
        "skew": skew_request(spec, AS_OF, control, ledger, log_of(settings)),
        "shadows": shadows_request(spec, asked, AS_OF.isoformat(), AS_OF.isoformat()),
        "score": score_request(spec, Partition.of_day(DAYS[-1]), version, days),
    }


def body(request: Request) -> str:
    value: dict[str, Any] = request.to_json()
    del value["code"], value["modules"]
    inputs = {name: each.digest for name, each in request.inputs.items()}
    return digest_json({**value, "inputs": inputs})[:32]


@pytest.mark.parametrize("model", MODELS)
def test_the_requests_of_every_step_stay_what_they_were(model: str, tmp_path: Path) -> None:
    found = {step: body(request) for step, request in requests(load_spec(model, MODELS[model]), tmp_path).items()}
    assert found == PINNED[model]


def test_a_request_names_the_authors_code_that_its_result_depends_on(tmp_path: Path) -> None:
    """Of the steps that call it; of the others a changed `fit` computes nothing again."""
    spec = load_spec("shop", MODELS["shop"])
    uses = {
        "validate_training_set": [spec.expectations],
        "tune": [spec.training.fit],
        "train": [spec.training.fit],
        "train_untuned": [spec.training.fit],
    }
    for step, request in requests(spec, tmp_path).items():
        assert request.code == code_digest(request.function, *uses.get(step, [])), step


def test_a_model_with_protected_attributes_asks_where_they_are_measured_and_nowhere_else(tmp_path: Path) -> None:
    """The staleness probe puts both parts of its history together, and reaches back before there were attributes."""
    section = Fairness(attributes=(Attribute(column="sex"),))
    found = requests(load_spec("flight_delay", MODELS["flight_delay"]).model_copy(update={"fairness": section}), tmp_path)
    assert {step for step, request in found.items() if "beside" in request.params} == {"training_set"}
    assert {step for step, request in found.items() if "fairness" in request.params} == {"evaluate", "monitor"}
    assert {step for step, request in found.items() if "people" in request.params} == {"collect"}
