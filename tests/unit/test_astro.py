"""astro.yaml against the Deployment file reference: the fields there are, their values, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
REQUIRED = {
    "name",
    "runtime_version",
    "executor",
    "scheduler_size",
    "deployment_type",
    "cloud_provider",
    "region",
    "workspace_name",
}
OPTIONAL = {"description", "dag_deploy_enabled", "ci_cd_enforcement", "is_high_availability", "is_development_mode"}


@pytest.fixture(scope="module")
def deployment() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "astro.yaml").read_text())
    assert set(document) == {"deployment"}
    return dict(document["deployment"])


def test_it_has_the_sections_of_a_deployment_file(deployment: dict[str, Any]) -> None:
    assert set(deployment) == {"environment_variables", "configuration", "worker_queues", "alert_emails"}


def test_its_configuration_is_complete_and_knows_no_other_field(deployment: dict[str, Any]) -> None:
    configuration = deployment["configuration"]
    assert set(configuration) >= REQUIRED
    assert set(configuration) <= REQUIRED | OPTIONAL
    assert configuration["executor"] in {"CELERY", "KUBERNETES", "ASTRO"}
    assert configuration["scheduler_size"] in {"SMALL", "MEDIUM", "LARGE", "EXTRA_LARGE"}
    assert configuration["cloud_provider"] in {"AWS", "GCP", "AZURE"}


def test_its_runtime_is_of_the_airflow_that_is_locked(deployment: dict[str, Any]) -> None:
    locked = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("apache-airflow=="))
    series = locked.split("==")[1].rsplit(".", 1)[0]
    assert str(deployment["configuration"]["runtime_version"]).split("-")[0] == series


def test_there_is_a_default_queue_and_one_for_training(deployment: dict[str, Any]) -> None:
    queues = {queue["name"]: queue for queue in deployment["worker_queues"]}
    assert set(queues) == {"default", "training"}
    for queue in queues.values():
        assert set(queue) == {"name", "worker_type", "min_worker_count", "max_worker_count", "worker_concurrency"}
        assert 0 <= queue["min_worker_count"] <= queue["max_worker_count"]


def test_no_secret_has_a_value_and_each_that_is_one_says_so(deployment: dict[str, Any]) -> None:
    variables = deployment["environment_variables"]
    assert all(set(variable) == {"is_secret", "key", "value"} for variable in variables)
    assert all(variable["value"] == "" for variable in variables if variable["is_secret"])
    secret = {variable["key"] for variable in variables if variable["is_secret"]}
    assert {variable["key"] for variable in variables if "CONN" in variable["key"]} <= secret
    assert "SLIPSTREAM_CONTROL_URL" in secret  # holds a password


def test_every_setting_is_one_that_slipstream_reads(deployment: dict[str, Any]) -> None:
    from dataclasses import fields

    from include.core.settings import Settings

    known = {f"SLIPSTREAM_{field.name.upper()}" for field in fields(Settings)} | {"SLIPSTREAM_WARM"}
    names = {variable["key"] for variable in deployment["environment_variables"]}
    assert {name for name in names if name.startswith("SLIPSTREAM_")} <= known
