"""A task that registers a model which was trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.core.errors import DataError
from include.versions.queries import records
from operators.registry import RegisterModelOperator
from operators.training import _newest_trained
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life, Run
from tests.unit.operators.models.shop.train import onnx_bytes


@pytest.fixture
def foreign(tmp_path: Path) -> str:
    middle, spread = np.array([40, 2, 40, 1.5], np.float32), np.array([20, 1, 20, 0.5], np.float32)
    path = tmp_path / "elsewhere.onnx"
    path.write_bytes(onnx_bytes(middle, spread, np.array([0, 0, 1, 0], np.float32), 0.0))
    return str(path)


def take_in(uri: str, **given: Any) -> RegisterModelOperator:
    said = {"trained_until": "2013-01-03", **given}
    return RegisterModelOperator(task_id="take_in", model=MODEL, model_uri=uri, **said)


def test_it_is_registered_and_its_rollout_is_asked_for(published: Life, foreign: str) -> None:
    run = Run()
    assert run(take_in(foreign)) == {"version": 1, "semver": "1.0.0", "stage": "Candidate"}
    assert run.sent == [("shop_candidate", {"version": 1, "as_of": "2013-01-03T00:00:00"})]
    (record,) = records(published.services.control, MODEL)
    assert record.entry.origin == "imported"
    assert Run(run_id="manual__2")(take_in(foreign)) == {"version": 1, "semver": "1.0.0", "stage": "Candidate"}


def test_the_training_set_of_another_task_is_the_one_it_is_evaluated_on(published: Life, foreign: str) -> None:
    run = published.snapshot(Run())
    rows = run.xcom["build_training_set"]
    run(take_in(foreign, training_set=rows))
    (record,) = records(published.services.control, MODEL)
    services = published.services
    evaluation = services.ledger.request(services.ledger.resolve(record.entry.lineage.evaluation).key)
    assert evaluation.inputs["training_set"].to_json() == rows


def test_a_closed_gate_asks_for_nothing(published: Life, foreign: str) -> None:
    run = Run()
    assert run(take_in(foreign, trained_until=None))["stage"] == "Staging"
    assert run.sent == []


def test_a_backfill_registers_for_the_record(published: Life, foreign: str) -> None:
    run = Run(run_type="backfill")
    assert run(take_in(foreign))["stage"] == "Staging"
    assert run.sent == []


def test_no_address_is_an_error_that_says_what_to_give(published: Life) -> None:
    with pytest.raises(DataError, match="model_uri") as refused:
        Run()(take_in(""))
    assert_says(refused.value, "models:/name/3")
    assert records(published.services.control, MODEL) == []


def test_its_arguments_are_templates() -> None:
    assert {"model_uri", "as_of", "trained_until", "training_set"} <= set(RegisterModelOperator.template_fields)


def test_a_scheduled_training_is_not_skipped_for_a_model_that_was_trained_elsewhere(published: Life, foreign: str) -> None:
    Run()(take_in(foreign))
    assert _newest_trained(published.services, MODEL) is None
