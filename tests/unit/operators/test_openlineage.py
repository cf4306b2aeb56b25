"""What a catalogue of data is told of a model's life, task by task; and nothing where nobody asks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.errors import ValidationFailed
from include.overview.datasets import Data
from include.services.services import Services
from operators.monitoring import RotateLogOperator
from operators.validation import ValidateDataOperator
from tests.support.openlineage_stub import provide
from tests.support.operator_runs import Life, Run, day
from tests.support.wired import (
    BuildTrainingSetOperator,
    MaterializeFeaturesOperator,
    PublishFeaturesOperator,
    RegisterModelOperator,
    TrainModelOperator,
)

TI = SimpleNamespace(bundle_instance=SimpleNamespace(version="c0ffee", path=None))


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch)


def told(run: Run, operator: Any) -> Any:
    """The lineage of a task that has just run, as the provider asks for it."""
    task = run.task(operator)
    run.xcom[operator.task_id] = task.execute(run.context(operator.task_id))
    return task.get_openlineage_facets_on_complete(TI)


def names(datasets: list[Any]) -> list[str]:
    return [each.name.rpartition("/store/")[2] for each in datasets]


def test_a_verdict_tells_of_the_partitions_and_their_checks(life: Life) -> None:
    life.land(day(1))
    lineage = told(Run({"day": day(1).isoformat()}), ValidateDataOperator(task_id="validate", model=life.model))
    assert names(lineage.inputs) == ["raw/shop/orders", "raw/shop/returns"]
    orders = lineage.inputs[0]
    assert orders.namespace == "file"
    assert orders.facets["version"].datasetVersion == life.raw.digest("orders", day(1))
    assert orders.facets["slipstream"].facts["day"] == day(1).isoformat()
    assert orders.inputFacets["dataQualityMetrics"].rowCount > 0
    assert all(check.success for check in orders.inputFacets["dataQualityAssertions"].assertions)
    assert lineage.job_facets["sourceCodeLocation"].version == "c0ffee"
    facts = lineage.run_facets["slipstream"].facts
    assert facts["key"].startswith("validate/")
    assert (facts["commit"], facts["attempt"]) == ("c0ffee", 1)


def test_a_failed_verdict_tells_what_did_not_hold(life: Life) -> None:
    life.land(day(1), orders={"currency": ["USD"] * 200})
    run = Run({"day": day(1).isoformat()})
    task = run.task(ValidateDataOperator(task_id="validate", model=life.model))
    assert task.get_openlineage_facets_on_complete(TI) is None  # before its work there is nothing to tell
    with pytest.raises(ValidationFailed):
        task.execute(run.context("validate"))
    orders = task.get_openlineage_facets_on_complete(TI).inputs[0]
    failed = [check for check in orders.inputFacets["dataQualityAssertions"].assertions if not check.success]
    assert [check.column for check in failed] == ["currency"]


def test_a_published_day_tells_of_its_views_with_their_columns_and_rows(life: Life) -> None:
    life.land(day(1))
    run = Run({"day": day(1).isoformat()})
    run(ValidateDataOperator(task_id="validate", model=life.model))
    lineage = told(run, PublishFeaturesOperator(task_id="publish", model=life.model))
    assert names(lineage.inputs)[:2] == ["raw/shop/orders", "raw/shop/returns"]
    assert names(lineage.inputs)[2:] == ["verdicts/shop"]
    outputs = dict(zip(names(lineage.outputs), lineage.outputs, strict=True))
    assert {"features/shop/entities", "features/shop/labels"} < set(outputs)
    result = life.result(run.xcom["publish"])
    for name, each in outputs.items():
        dataset = name.rpartition("/")[2]
        assert each.outputFacets["outputStatistics"].rowCount == result.value["rows"][dataset]
        assert each.facets["version"].datasetVersion == result.files[f"{dataset}.parquet"].digest
    view = life.services.spec(life.model).features.views[0]
    fields = [field.name for field in outputs[f"features/shop/{view.name}"].facets["schema"].fields]
    assert fields == [*view.keys, *(feature.name for feature in view.features)]

    online = told(run, MaterializeFeaturesOperator(task_id="materialize", model=life.model))
    assert names(online.outputs) == [f"online/shop/{each.name}" for each in life.services.spec(life.model).features.views]
    assert {each.namespace for each in online.outputs} == {life.services.settings.online_url}


def test_training_and_registration_tell_of_sets_and_versions(registered: Life, nursery: Any) -> None:
    run: Run = nursery.run()
    lineage = told(run, BuildTrainingSetOperator(task_id="build_training_set", model=registered.model))
    assert "features/shop/labels" in names(lineage.inputs)
    labels = lineage.inputs[names(lineage.inputs).index("features/shop/labels")]
    assert labels.facets["slipstream"].facts["days"] > 1
    assert names(lineage.outputs) == ["training_sets/shop"]
    made = registered.result(run.xcom["build_training_set"])
    (training_set,) = lineage.outputs
    assert training_set.facets["version"].datasetVersion == made.digest
    assert training_set.outputFacets["outputStatistics"].rowCount == made.value["rows"]

    trained = told(run, TrainModelOperator(task_id="train", model=registered.model, where="process"))
    assert (names(trained.inputs), names(trained.outputs)) == (["training_sets/shop"], ["trained/shop"])
    assert trained.inputs[0].facets["version"].datasetVersion == made.digest

    version = told(run, RegisterModelOperator(task_id="register", model=registered.model))
    assert names(version.inputs) == ["trained/shop", "training_sets/shop", "evaluations/shop"]
    assert version.outputs[0].name.endswith("models/shop")
    assert version.outputs[0].facets["version"].datasetVersion == "1"
    assert version.outputs[0].facets["slipstream"].facts["gate"] is True


def test_the_providers_client_writes_it_as_an_event(life: Life, tmp_path: Path) -> None:
    """With the real classes, where they are installed: the facets that are ours are JSON, too."""
    client = pytest.importorskip("openlineage.client.client", reason="openlineage-python is not installed")
    from openlineage.client.event_v2 import Job, RunEvent, RunState
    from openlineage.client.event_v2 import Run as OfRun
    from openlineage.client.transport.file import FileConfig, FileTransport

    life.land(day(1))
    lineage = told(Run({"day": day(1).isoformat()}), ValidateDataOperator(task_id="validate", model=life.model))
    at, run_id = "2026-01-01T00:00:00+00:00", "0194d2b0-0000-7000-8000-000000000000"
    event = RunEvent(
        eventTime=at, eventType=RunState.COMPLETE, run=OfRun(run_id, lineage.run_facets), job=Job("n", "j", lineage.job_facets),
        inputs=lineage.inputs, outputs=lineage.outputs, producer="https://example.invalid",
    )  # fmt: skip
    transport = FileTransport(FileConfig(log_file_path=str(tmp_path / "events"), append=True))
    client.OpenLineageClient(transport=transport).emit(event)
    written = json.loads((tmp_path / "events").read_text())
    assert written["inputs"][0]["facets"]["slipstream"]["facts"]["day"] == day(1).isoformat()
    assert written["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] is True
    assert written["run"]["facets"]["slipstream"]["facts"]["attempt"] == 1


def test_a_task_that_is_about_no_data_tells_nothing(services: Services) -> None:
    del services
    assert RotateLogOperator(task_id="rotate", model="m").get_openlineage_facets_on_complete(TI) is None


def test_data_sets_are_named_as_the_standard_names_files() -> None:
    from operators.openlineage import named

    data = Data("raw/shop/orders")
    assert named(data, "s3://bucket/prefix/") == ("s3://bucket", "prefix/raw/shop/orders")
    assert named(data, "s3://bucket") == ("s3://bucket", "raw/shop/orders")
    assert named(data, "/srv/store") == ("file", "/srv/store/raw/shop/orders")
    assert named(Data("online/shop/v", place="redis://cache:6379/0"), "/srv/store") == ("redis://cache:6379/0", "online/shop/v")


def test_nobody_imports_the_provider_while_dags_are_parsed() -> None:
    assert "operators.openlineage" not in sys.modules
