"""The composition root: opened late, the same for everybody, and cheap to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from include.core.errors import NotReadyError
from include.core.ports import AwsAccess, open_aws
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.core.storage import LocalStorage, Storage
from include.services.services import Services

# What DAG files and the triggerer must not pay for: each is imported when a service that needs it is opened.
HEAVY = ("sqlalchemy", "duckdb", "pyarrow", "httpx", "boto3", "mlflow", "feast", "ray", "onnxruntime")


class Given:
    """Connections that hold one login, and a storage of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def uri(self, conn_id: str) -> str | None:
        return "http://:hush@127.0.0.1" if conn_id == "slipstream_ray" else None

    def aws(self, settings: Settings) -> AwsAccess:
        return open_aws(settings)

    def storage(self, settings: Settings) -> Storage:
        return LocalStorage(str(self._folder))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "home"), "SLIPSTREAM_JOB_BACKEND": "process"})


def test_importing_it_imports_no_store_and_no_vendor() -> None:
    code = f"import sys, include.services.services; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_stores_are_opened_once(settings: Settings) -> None:
    services = Services(settings)
    assert services.control is services.control
    assert services.ledger.storage is services.storage
    assert services.online() is services.online_store


def test_logins_come_from_the_connections_it_was_given(settings: Settings, tmp_path: Path) -> None:
    services = Services(settings, Given(tmp_path / "elsewhere"))
    assert services.with_connection("slipstream_ray").environ["AIRFLOW_CONN_SLIPSTREAM_RAY"] == "http://:hush@127.0.0.1"
    assert services.with_connection("slipstream_mlflow") is settings
    assert services.storage.root == str(tmp_path / "elsewhere")


def test_a_command_makes_no_control_store_where_no_platform_has_run(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="nothing has run here yet"):
        _ = Services(settings, control_must_exist=True).control
    assert not (settings.home / "control.db").exists()


def test_a_command_reads_the_control_store_that_is_there(settings: Settings) -> None:
    Services(settings).control.engine.dispose()
    assert Services(settings, control_must_exist=True).champion("nobody") is None


def test_airflow_is_nobody_without_a_connection(settings: Settings) -> None:
    assert Services(settings).airflow() is None


def test_each_backend_is_opened_by_the_name_in_the_settings(settings: Settings) -> None:
    services = Services(settings)
    assert type(services.jobs()).__name__ == "ProcessJobs"
    assert type(services.jobs("ray")).__name__ == "RayJobs"


def test_nobody_else_opens_the_stores() -> None:
    """Of what runs in production: stages are handed what they work on, or open it from the settings of a step."""
    tops = [PROJECT / "operators", PROJECT / "plugins", PROJECT / "dags"]
    tops += [PROJECT / "include" / name for name in ("cli", "demo", "local", "gateway")]
    found = {
        f"{path.relative_to(PROJECT)}: {node.func.id}"
        for top in tops
        for path in top.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ControlStore", "Ledger")
    }
    assert found == set()


def test_a_request_is_computed_with_the_connections_of_its_remote_models(settings: Settings, tmp_path: Path) -> None:
    class Vault(Given):
        def uri(self, conn_id: str) -> str | None:
            return f"http://:hush@{conn_id}" if conn_id.startswith("slipstream_oip_") else None

    services = Services(settings, Vault(tmp_path / "elsewhere"))
    refs = {}
    for name, value in {"train": {"remote": {"name": "gpu"}}, "champion": {"remote": "said"}, "training_set": {}}.items():
        request = Request("import", "tests:none", "toy", {"of": name})
        result = services.ledger.commit(request, services.ledger.open_attempt(request.key, 0), Outcome(value, {}), 0.1)
        refs[name] = services.ledger.ref(result)
    held = services.for_request(Request("evaluate", "tests:none", "toy", {}, refs)).environ
    assert held["AIRFLOW_CONN_SLIPSTREAM_OIP_GPU"] == "http://:hush@slipstream_oip_gpu"
    assert services.for_request(Request("evaluate", "tests:none", "toy", {}, {})) is settings


def test_a_job_elsewhere_is_given_the_storages_login_and_the_jobs_account_and_no_other(tmp_path: Path) -> None:
    held = {
        "lake": "aws://id:secret@", "slipstream_mlflow_jobs": "http://jobs:little@mlflow", "slipstream_mlflow": "http://admin:all@mlflow",
        "slipstream_gateway": "http://:token@gateway", "slipstream_ray": "http://:cluster@ray",
    }  # fmt: skip

    class Airflow(Given):
        def uri(self, conn_id: str) -> str | None:
            return held.get(conn_id)

    environ = {"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_AWS_CONN_ID": "lake"}
    of_mlflow = {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://jobs:little@mlflow"}
    for root, of_storage in (("s3://bucket", {"AIRFLOW_CONN_AWS_DEFAULT": "aws://id:secret@"}), (str(tmp_path / "shared"), {})):
        services = Services(Settings.from_env({**environ, "SLIPSTREAM_ROOT": root}), Airflow(tmp_path))
        assert services._job_logins() == {**of_mlflow, **of_storage}
    assert Services(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))._job_logins() == {}
