"""Values: what the schema refuses, and the values for Airflow's official chart."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
import yaml

from include.core.environment import STORES
from tests.support import chart
from tests.support.deployment_files import ROOT, airflow_values, compose, load

SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text())
DEFAULTS = load(chart.CHART / "values.yaml")


def merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    made = deepcopy(base)
    for key, value in values.items():
        made[key] = merged(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def refused(values: dict[str, Any]) -> str:
    """What the schema says to these values on top of the defaults; empty where it takes them."""
    try:
        jsonschema.validate(merged(DEFAULTS, values), SCHEMA)
    except jsonschema.ValidationError as error:
        return f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
    return ""


@pytest.mark.parametrize("name", chart.value_sets())
def test_the_defaults_and_the_examples_are_taken(name: str) -> None:
    assert refused(chart.value_sets()[name]) == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gatway": {}}, "gatway"),
        ({"gateway": {"replica": 3}}, "replica"),
        ({"settings": {"root": "/var/lib/slipstream"}}, "settings.root"),
        ({"settings": {"root": "gs://bucket"}}, "settings.root"),
        ({"settings": {"more": {"SLIPSTREAM_SQL_MEMROY": "1GB"}}}, "SLIPSTREAM_SQL_MEMROY"),
        ({"settings": {"more": {"SLIPSTREAM_CONTROL_URL": "postgresql://u:p@h/d"}}}, "SLIPSTREAM_CONTROL_URL"),
        ({"settings": {"more": {"AIRFLOW__SECRETS__BACKEND_KWARGS": '{"aws_secret_access_key": "x"}'}}}, "BACKEND_KWARGS"),
        ({"settings": {"mlflowUrl": "http://user:password@host"}}, "settings.mlflowUrl"),
        ({"image": {"tag": "latest"}}, "image.tag"),
        ({"image": {"digest": "sha256:abc"}}, "image.digest"),
        ({"secrets": {"stores": ""}}, "secrets.stores"),
        ({"pods": {"user": 0}}, "pods.user"),
        ({"gateway": {"resources": {"limits": {"cpu": None}}}}, "gateway.resources.limits"),
        ({"gateway": {"callers": [{}]}}, "gateway.callers"),
        ({"gateway": {"drain": {"terminationGracePeriodSeconds": 5}}}, "terminationGracePeriodSeconds"),
        ({"ray": {"workerGroups": [{"name": "x", "replicas": 1}]}}, "ray.workerGroups"),
    ],
)  # fmt: skip
def test_what_would_not_work_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    assert words in refused(values)


# -- the official chart of Airflow ---------------------------------------------------------------------------

# The components under the names of that chart, and of compose.
COMPONENTS = {
    "apiServer": "api-server", "scheduler": "scheduler", "dagProcessor": "dag-processor", "triggerer": "triggerer",
    "workers": "worker", "migrateDatabaseJob": "migrate",
}  # fmt: skip


def secrets_of(env: list[dict[str, Any]]) -> set[str]:
    assert all("valueFrom" in each or each["value"] == "" for each in env), "a secret's value"
    return {each["name"] for each in env if "valueFrom" in each}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names of the secrets in each file that compose's script makes, by running it."""
    folder = tmp_path_factory.mktemp("docker")
    (folder / "make-secrets.sh").write_text((ROOT / "docker" / "make-secrets.sh").read_text())
    subprocess.run(["bash", f"{folder}/make-secrets.sh"], check=True, capture_output=True)
    lines = {path.name: path.read_text().splitlines() for path in (folder / "secrets").glob("*.env")}
    return {name: {each.partition("=")[0] for each in found if each.partition("=")[2]} for name, found in lines.items()}


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_is_given_the_secrets_that_it_has_in_compose_and_no_other(name: str, written: dict[str, set[str]]) -> None:
    files = compose()["services"][COMPONENTS[name]]["env_file"]
    expected = {variable for path in files for variable in written[path.rpartition("/")[2]]}
    if name == "migrateDatabaseJob":
        expected -= STORES  # the control store's schema is the other chart's job
    elif name == "workers":
        expected |= {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW_JOBS"}  # Ray is elsewhere there: jobs bring their logins
    assert secrets_of(airflow_values()[name]["env"]) == expected


def test_the_charts_own_secrets_reach_nobody() -> None:
    values = airflow_values()
    assert set(values["enableBuiltInSecretEnvVars"].values()) == {False}
    named = [values["fernetKeySecretName"], values["apiSecretKeySecretName"], values["jwtSecretName"]]
    named += [*values["data"].values(), values["redis"]["passwordSecretName"]]
    assert all(named), "the chart would make one"


def test_nothing_is_shared_but_postgres_redis_and_s3() -> None:
    values = airflow_values()
    assert not values["postgresql"]["enabled"]
    for volume in (values["logs"], values["dags"], values["triggerer"], values["workers"], values["workers"]["celery"]):
        assert not volume["persistence"]["enabled"]
    assert all("emptyDir" in volume for volume in values["volumes"])
    assert values["config"]["logging"]["remote_base_log_folder"].startswith("s3://")


def test_the_broker_is_a_redis_of_its_own_behind_a_policy() -> None:
    values = airflow_values()
    assert (values["redis"]["enabled"], values["networkPolicies"]["enabled"], values["flower"]["enabled"]) == (True, True, False)
    assert DEFAULTS["networkPolicies"]["broker"] is True
    assert values["redis"]["passwordSecretName"] != DEFAULTS["secrets"]["stores"]


def test_no_component_has_rights_runs_as_root_or_writes_to_its_image() -> None:
    values = airflow_values()
    parts = [*COMPONENTS, "redis"]
    assert {values[name]["serviceAccount"]["automountServiceAccountToken"] for name in parts} == {False}
    assert values["rbac"]["create"] is values["allowPodLaunching"] is False
    for contexts, key in ((values["securityContexts"], "containers"), (values["redis"]["securityContexts"], "container")):
        assert contexts["pod"]["runAsNonRoot"] is True
        assert contexts["pod"]["runAsUser"] > 0
        assert contexts[key]["readOnlyRootFilesystem"] is True
        assert contexts[key]["capabilities"] == {"drop": ["ALL"]}
    assert [name for name in parts if not values[name]["resources"]["limits"].get("memory")] == []


def test_both_charts_speak_of_the_same_release_settings_and_secrets() -> None:
    values = airflow_values()
    assert yaml.safe_load(values["extraEnvFrom"]) == [{"configMapRef": {"name": "slipstream-settings"}}]
    ours, theirs = DEFAULTS["secrets"], {name for part in COMPONENTS for name in named_secrets(values[part]["env"])}
    assert {ours["stores"], ours["gateway"], ours["ray"], ours["entities"]} <= theirs
    assert DEFAULTS["settings"]["airflowUrl"] == values["config"]["core"]["execution_api_server_url"].removesuffix("/execution/")
    locked = (ROOT / "requirements.txt").read_text()
    assert f"\napache-airflow=={values['airflowVersion']} " in locked


def named_secrets(env: list[dict[str, Any]]) -> set[str]:
    return {each["valueFrom"]["secretKeyRef"]["name"] for each in env if "valueFrom" in each}


def test_the_settings_are_those_of_compose() -> None:
    """But for addresses, folders and who logs in, which differ by place."""
    config = airflow_values()["config"]
    for name, value in compose()["services"]["scheduler"]["environment"].items():
        _, section, option = f"{name}__".lower().split("__")[:3] if name.startswith("AIRFLOW__") else ("", "", "")
        if section in ("scheduler", "workers"):
            assert str(config[section][option]).lower() == str(value).lower(), name


def test_the_databases_job_makes_the_pools_and_the_grants_that_compose_makes() -> None:
    job = airflow_values()["migrateDatabaseJob"]
    mounted = {each["mountPath"] for each in job["extraVolumeMounts"]}
    (volume,) = job["extraVolumes"]
    held = next(each for each in chart.read("default") if each["metadata"]["name"] == volume["configMap"]["name"])["data"]
    asked = [word.rstrip(";") for word in job["args"][-1].split() if word.startswith("/opt/setup/")]
    assert {f"/opt/setup/{name}" for name in held} >= set(asked)
    assert mounted == {"/opt/setup"}
    theirs = compose()["services"]["migrate"]["command"][-1].split("; ")
    assert job["args"][-1].split("; ") == [each for each in theirs if "create_tables" not in each]
    for name, source in (("pools.json", "airflow"), ("grant.py", "airflow"), ("parsing.sql", "postgres")):
        assert held[name] == (ROOT / "docker" / source / name).read_text()


def test_who_has_the_database_waits_for_its_migrations_with_a_reference_to_the_secret() -> None:
    """The chart's own init container takes values alone in its `env`, by its schema."""
    values = airflow_values()
    for name in COMPONENTS:
        part = values[name]
        assert "env" not in part.get("waitForMigrations", {}), name
        waits = [each["args"][:3] for each in part.get("extraInitContainers", ())]
        has_database = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in secrets_of(part["env"])
        expected = has_database and name not in ("migrateDatabaseJob", "dagProcessor")
        assert waits == ([["airflow", "db", "check-migrations"]] if expected else []), name
        for each in part.get("extraInitContainers", ()):
            assert secrets_of(each["env"]) == {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY"}
            assert each["securityContext"]["readOnlyRootFilesystem"] is True


def test_airflows_command_line_takes_what_the_values_give_it() -> None:
    from airflow.cli.cli_parser import get_parser

    (wait,) = airflow_values()["scheduler"]["extraInitContainers"]
    assert get_parser().parse_args(wait["args"][1:]).migration_wait_timeout == 300
