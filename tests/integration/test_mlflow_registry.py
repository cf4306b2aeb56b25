"""What only MLflow does: files that load, aliases and tags, the card, adoption after a kill, errors a person can act on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from include.backends.mlflow.labels import open_labels
from include.backends.mlflow.registry import MlflowRegistry, open_registry
from include.core.control import ControlStore
from include.core.errors import DataError, PermanentError, UnreachableError
from include.core.settings import Settings
from include.governance.mirror import behind, catch_up, follow
from include.governance.package import Package
from include.governance.registry import mirror, register, resource
from include.versions.given_up import give_up_in
from include.versions.record import Stage
from operators.server_hooks import MlflowHook
from tests.support.mlflow_server import PASSWORD, mlflow_server
from tests.support.toy_ledger import MODEL, Loop
from tests.support.versions import move


@pytest.fixture(scope="module")
def url() -> str:
    return mlflow_server()


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def registry_at(url: str, control: ControlStore, password: str = PASSWORD) -> MlflowRegistry:
    connection = url.replace("//", f"//admin:{password}@")
    return open_registry(Settings(mlflow_url=url, environ={"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": connection}), control)


def test_a_version_carries_everything_and_loads(url: str, control: ControlStore, tmp_path: Path) -> None:
    registry, package = registry_at(url, control), Loop.under(tmp_path).package(days=13)
    record = register(control, registry, package, control.take(resource(MODEL), "t"))
    client = registry.client
    version = client.get_model_version_by_alias(MODEL, "candidate")
    assert int(version.version) == record.version
    assert version.tags["slipstream.key"] == package.key
    assert {name: version.tags[name] for name in ("stage", "semver", "gate")} == {
        "stage": "Candidate",
        "semver": "1.0.0",
        "gate": "passed",
    }
    assert "## Limits" in version.description
    assert "slipstream rollback toy" in version.description
    run = client.get_run(record.run_id)
    assert run.data.metrics["auc"] == 0.71
    assert run.data.params["params.hidden"] == "8"
    assert run.info.status == "FINISHED"
    assert run.data.tags["slipstream.training_set"] == package.entry.lineage.training_set.digest
    assert run.inputs.dataset_inputs[0].dataset.name == "toy_training_set"
    _loads(client, url)


def _loads(client: MlflowClient, url: str) -> None:
    import mlflow.onnx

    mlflow.set_tracking_uri(url)
    assert len(mlflow.onnx.load_model(f"models:/{MODEL}@candidate").graph.node) == 2
    scores = mlflow.pyfunc.load_model(f"models:/{MODEL}@candidate").predict(np.zeros((4, 3), np.float32))
    np.testing.assert_allclose(scores["score"], 0.5)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("dies_after", ["create_run", "log_artifacts", "create_model_version"])
def test_what_a_killed_process_left_is_adopted(
    dies_after: str, url: str, control: ControlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = 14 + ["create_run", "log_artifacts", "create_model_version"].index(dies_after)  # a key of its own
    package, registry = Loop.under(tmp_path).package(days=days), registry_at(url, control)
    original = getattr(MlflowClient, dies_after)

    def dying(*args: object, **kwargs: object) -> None:
        original(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, dies_after, dying)
        with pytest.raises(Killed):
            register(control, registry, package, control.take(resource(MODEL), "try-1"))
    record = register(control, registry, package, control.take(resource(MODEL), "try-2"))
    assert _numbers(registry, package) == [record.version]
    assert len(_runs(registry, package)) == 1


def _numbers(registry: MlflowRegistry, package: Package) -> list[int]:
    query = f"name = '{MODEL}' and tags.`slipstream.key` = '{package.key}'"
    return [int(version.version) for version in registry.client.search_model_versions(query)]


def _runs(registry: MlflowRegistry, package: Package) -> list[object]:
    experiment = registry.client.get_experiment_by_name(MODEL)
    assert experiment is not None
    return list(registry.client.search_runs([experiment.experiment_id], f"tags.`slipstream.key` = '{package.key}'"))


def test_aliases_follow_a_promotion(url: str, control: ControlStore, tmp_path: Path) -> None:
    registry, loop = registry_at(url, control), Loop.under(tmp_path)
    epoch = control.take(resource(MODEL), "t")
    old, new = (register(control, registry, loop.package(days=days), epoch).version for days in (11, 12))
    move(control, MODEL, old, Stage.PRODUCTION, "t")
    mirror(control, registry, MODEL)
    assert registry.client.get_registered_model(MODEL).aliases == {"champion": str(old), "candidate": str(new)}
    move(control, MODEL, old, Stage.ARCHIVED, "t")
    move(control, MODEL, new, Stage.PRODUCTION, "t")
    mirror(control, registry, MODEL)
    assert registry.client.get_registered_model(MODEL).aliases == {"champion": str(new)}
    assert registry.client.get_model_version(MODEL, str(old)).tags["stage"] == "Archived"


def test_a_deleted_version_is_reported_with_its_cure_and_the_rest_shown(url: str, control: ControlStore, tmp_path: Path) -> None:
    registry, loop = registry_at(url, control), Loop.under(tmp_path)
    epoch = control.take(resource(MODEL), "t")
    old, new = (register(control, registry, loop.package(days=days), epoch).version for days in (21, 22))
    move(control, MODEL, old, Stage.PRODUCTION, "t")
    registry.client.delete_model_version(MODEL, str(old))
    with pytest.raises(DataError, match=rf"(?s)lacks version {old} of toy.*deleted there.*slipstream mirror toy"):
        mirror(control, registry, MODEL)
    assert registry.client.get_registered_model(MODEL).aliases == {"candidate": str(new)}
    with pytest.raises(DataError, match="deleted there"):
        registry.set_stage(MODEL, old, Stage.ARCHIVED)
    record = register(control, registry, loop.package(days=23), epoch)  # a registration is not held up by it
    assert registry.client.get_model_version(MODEL, str(record.version)).tags["stage"] == "Candidate"
    assert "lacks version" in behind(control, MODEL)[0].problem
    move(control, MODEL, old, Stage.ARCHIVED, "t")  # nothing is to name it any more
    mirror(control, registry, MODEL)
    assert behind(control, MODEL) == []


def test_a_deleted_model_is_reported_with_its_cure_and_comes_back_with_the_next_version(
    url: str, control: ControlStore, tmp_path: Path
) -> None:
    registry, loop = registry_at(url, control), Loop.under(tmp_path)
    epoch = control.take(resource(MODEL), "t")
    record = register(control, registry, loop.package(days=24), epoch)
    registry.client.delete_registered_model(MODEL)
    for act in (
        lambda: mirror(control, registry, MODEL),
        lambda: registry.set_stage(MODEL, record.version, Stage.ARCHIVED),
        lambda: registry.mirror(MODEL, [record], {}),
    ):
        with pytest.raises(DataError, match=r"(?s)was deleted there.*the next registration makes the model again"):
            act()
    assert follow(control, lambda: registry, MODEL)
    assert registry.url(record).startswith(url)
    again = register(control, registry, loop.package(days=25), epoch)
    assert again.version != record.version
    assert registry.client.get_registered_model(MODEL).aliases == {"candidate": str(again.version)}


def test_a_version_that_was_given_up_says_so_and_its_files_are_gone(url: str, control: ControlStore, tmp_path: Path) -> None:
    registry, package = registry_at(url, control), Loop.under(tmp_path).package(days=17)
    record = register(control, registry, package, control.take(resource(MODEL), "t"))
    assert registry.client.list_artifacts(record.run_id)
    said = {"rule": "data.retention.versions", "last": record.created_at, "by": "t", "dossier": "", "kept": {}}
    with control.transaction() as connection:
        give_up_in(connection, MODEL, record.version, said)
    assert [each.model for each in behind(control)] == [MODEL]
    assert follow(control, lambda: registry, MODEL) == ""
    assert behind(control) == []
    version = registry.client.get_model_version(MODEL, str(record.version))
    assert version.tags["given_up"].endswith("by data.retention.versions")
    assert registry.client.list_artifacts(record.run_id) == []
    assert follow(control, lambda: registry, MODEL) == "", "once more changes nothing"


def test_what_the_server_was_not_there_for_is_caught_up(url: str, control: ControlStore, tmp_path: Path) -> None:
    registry, loop = registry_at(url, control), Loop.under(tmp_path)
    epoch = control.take(resource(MODEL), "t")
    old, new = (register(control, registry, loop.package(days=days), epoch).version for days in (26, 27))
    assert behind(control) == []
    move(control, MODEL, old, Stage.PRODUCTION, "t")
    away = open_labels(Settings(mlflow_url="http://127.0.0.1:1", environ={}), control)
    assert "does not answer" in follow(control, lambda: away, MODEL)
    assert [each.model for each in behind(control)] == [MODEL]
    refused = open_labels(
        Settings(mlflow_url=url, environ={"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": url.replace("//", "//a:b@")}), control
    )
    assert "refused the login" in follow(control, lambda: refused, MODEL)
    connection = {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": url.replace("//", f"//admin:{PASSWORD}@")}
    labels = open_labels(Settings(mlflow_url=url, environ=connection), control)
    assert catch_up(control, lambda: labels) == {MODEL: ""}
    assert catch_up(control, lambda: labels) == {}
    assert registry.client.get_registered_model(MODEL).aliases == {"champion": str(old), "candidate": str(new)}
    assert registry.client.get_model_version(MODEL, str(old)).tags["stage"] == "Production"
    registry.client.set_registered_model_alias(MODEL, "ours", str(new))  # a person's own stays
    mirror(control, labels, MODEL)
    assert registry.client.get_registered_model(MODEL).aliases["ours"] == str(new)
    registry.client.delete_registered_model_alias(MODEL, "ours")


def test_a_dead_server_is_named_with_its_setting(control: ControlStore, tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    with pytest.raises(UnreachableError, match=r"(?s)127\.0\.0\.1:1 does not answer.*SLIPSTREAM_MLFLOW_URL"):
        register(control, registry_at("http://127.0.0.1:1", control), package, control.take(resource(MODEL), "t"))


def test_a_wrong_password_is_no_reason_to_retry(url: str, control: ControlStore, tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    with pytest.raises(PermanentError, match="slipstream_mlflow"):
        register(control, registry_at(url, control, "wrong"), package, control.take(resource(MODEL), "t"))


def test_the_test_button_of_airflow_takes_the_login_and_refuses_another(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = url.removeprefix("http://")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://admin:{PASSWORD}@{place}")
    assert MlflowHook().test_connection() == (True, f"MLflow at {url} answers, and takes the login.")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://admin:not-the-password@{place}")
    status, words = MlflowHook().test_connection()
    assert (status, f"MLflow at {url} answers, and refuses the login (HTTP 401)." in words) == (False, True)
    assert "not-the-password" not in words
