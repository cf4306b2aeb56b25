"""A subject goes from an MLflow on a server of its own: texts of its runs, descriptions, tags. What MLflow never writes again is
named with the command that ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from include.backends.mlflow.registry import open_registry
from include.forgetting.search import Wanted, in_folder
from include.governance.package import Package
from include.governance.registration import Inputs, propose
from tests.support.aged import killed_at
from tests.support.mlflow_server import PASSWORD, MlflowServer
from tests.support.subject_world import MODEL, TOLD, WHO, SubjectWorld

POINT = "forget.mlflow.written"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """Its own: all of its files are searched."""
    made = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    made.start()
    yield made
    made.stop()


def written(package: Package, files: dict[str, Path], folder: Path) -> None:
    """The model of that life is no model: its files as they are."""
    del package
    folder.mkdir(parents=True)
    for name, path in files.items():
        (folder / name).write_bytes(path.read_bytes())


@pytest.fixture
def world(server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectWorld:
    """A life whose version is registered at that server as well, in a run that people have added to."""
    monkeypatch.setattr("include.backends.mlflow.run.write_model", written)
    own = {"SLIPSTREAM_REGISTRY": "mlflow", "SLIPSTREAM_MLFLOW_URL": server.url,
           "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": server.connection}  # fmt: skip
    made = SubjectWorld(tmp_path / "home", environ=own)
    made.live()
    package = propose(
        made.ledger, made.spec, Inputs(*(made.refs[name] for name in ("train", "training_set", "evaluate"))),
        as_of="2013-01-04T00:00:00", commit="another",
    )  # fmt: skip
    registry = open_registry(made.settings, made.control)
    published = registry.publish(package)
    client, run = registry.client, published.run_id
    client.set_tag(run, "asked by", f"the worst row, {WHO}")
    client.log_text(run, json.dumps({"worst": [WHO, 48151.62342, "customer-1"]}), "notes/worst.json")
    client.log_text(run, "customer-1 alone", "notes/other.txt")
    client.update_model_version(MODEL, str(published.version), f"Slow for {WHO}.")
    return made


@pytest.mark.thorough
def test_nothing_of_it_is_in_the_servers_files_and_what_is_others_stays(world: SubjectWorld, server: MlflowServer) -> None:
    client = MlflowClient(tracking_uri=server.url, registry_uri=server.url)
    wanted = Wanted.of(TOLD)
    before = [*in_folder(server.folder, wanted)]
    assert len(before) >= 3, "the report's copy, a note, the database"
    with killed_at(POINT):
        world.forget()
    done = world.forget()
    assert done.complete
    assert done.registry >= 4
    assert done.left == []
    assert [hit for hit in in_folder(server.folder, wanted) if not hit.place.endswith("server.log")] == []
    (run,) = client.search_runs([client.get_experiment_by_name(MODEL).experiment_id])
    assert "forgotten" in run.data.tags["asked by"]
    (version,) = client.search_model_versions(f"name = '{MODEL}'")
    assert version.description == "Slow for forgotten"
    texts = {path.name: path.read_text() for path in (server.folder / "artifacts").rglob("*") if path.suffix in (".json", ".txt")}
    assert texts["other.txt"] == "customer-1 alone"
    assert json.loads(texts["worst.json"]) == {"worst": ["forgotten", 48200.0, "customer-1"]}
    assert world.forget().registry == 0

    client.log_param(run.info.run_id, "note", WHO)
    client.log_dict(run.info.run_id, {"a": 1}, "notes/rows.json")
    client.log_artifact(run.info.run_id, str(world.home / "online.db"))
    dead = client.create_run(run.info.experiment_id)
    client.delete_run(dead.info.run_id)
    left = world.forget().left
    assert any("parameters of the run" in words and "(note)" in words and "mlflow gc" in words for words in left)
    assert any(f"mlflow gc --run-ids {dead.info.run_id}" in words for words in left)
    assert any("no texts" in words and "online.db" in words for words in left)
    assert WHO not in " ".join(left)
    assert len(client.search_runs([run.info.experiment_id], run_view_type=ViewType.ALL)) == 2
    server.stop()
    try:
        off = world.forget()
        assert not off.complete
        assert "does not answer" in off.found.unread["the registry's server"]
    finally:
        server.start()
    assert world.forget().complete
    assert PASSWORD not in json.dumps(off.found.unread)
