"""The body of a dossier, from stores that hold one model's life."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.digest import canonical_json
from include.core.errors import DataError
from include.core.settings import Settings
from include.governance.registry import register, resource
from include.overview.dossier.gather import gather
from include.rollout.machine import enter_stage, open_rollout
from include.services.services import Services
from include.versions.record import Stage
from tests.support.toy_ledger import MODEL, SPEC, Loop
from tests.support.versions import move


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Version 1 serves; a rollout of version 2 is under way; a window was monitored, and decided."""
    home = tmp_path_factory.mktemp("home")
    loop, store = Loop.under(home), ControlStore(f"sqlite:///{home / 'control.db'}")
    store.create_tables()
    epoch = store.take(resource(MODEL), "t")
    for days in (2, 3):
        register(store, FolderRegistry(loop.ledger.storage), loop.package(days=days), epoch)
    move(store, MODEL, 1, Stage.PRODUCTION, "t")
    loop.commit("monitor", {"window": "w1"}, {}, monitored(), {})
    return Services(Settings.from_env({"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_MODELS": "include.models"}))


def monitored(version: int = 1) -> dict[str, Any]:
    return {
        "window": "2013-04-01/2013-04-08",
        "collected": {"rows": 90, "labelled": 80, "versions": {str(version): 90}},
        "quality": {"passed": True, "issues": []},
        "drift": {"verdict": "none", "words": "no drift", "statistic": 0.5, "critical": 2.0},
        "performance": {
            "verdict": "measured", "words": "as expected", "metric": "auc", "metrics": {"auc": 0.7}, "errors": {}, "drop": 0.0,
        },
        "fairness": {"words": "alike"},
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Services, "spec", lambda self, name: SPEC)


def test_every_section_is_there_and_says_what_the_stores_say(services: Services) -> None:
    body = gather(services, MODEL, 1, "ada")
    assert body["missing"] == {}
    assert (body["model"], body["version"], body["made_by"], body["lineage"]["intact"]) == (MODEL, 1, "ada", True)
    assert body["purpose"]["owner"] == "tests"
    assert [each["partition"] for each in body["data"]["partitions"]] == ["2013-01-01", "2013-01-02"]
    assert body["data"]["training_set"]["rows"] == 20
    assert body["features"]["views"][0] | {"version": ""} == {
        "view": "weather", "of": MODEL, "owner": "tests", "version": "", "keys": ["origin"],
        "features": ["wind (float)", "rain (float)"], "description": "",
    }  # fmt: skip
    assert body["code"]["commit"] == "abc123"
    assert {each["step"] for each in body["code"]["steps"]} == {"training_set", "train", "evaluate"}
    assert body["training"]["parameters"] == {"fit": "m:fit", "params": {"hidden": 8}, "seed": 7}
    assert body["training"]["triggered_by"] is None
    assert body["training"]["attempts"][0]["name"] == "attempt 1"
    assert body["evaluation"]["metrics"] == {"auc": 0.71, "log_loss": 0.5}
    assert body["gate"] == {"passed": True, "reasons": [], "opened_by_hand": None}
    assert "cpu_seconds" in json.dumps(body["cost"]) or body["cost"]
    assert any(package.startswith("numpy==") for package in body["environment"]["packages"])
    canonical_json(body)


def test_its_files_are_all_of_its_lineage_each_with_its_record_and_request(services: Services) -> None:
    body = gather(services, MODEL, 1, "ada")
    paths = [each["path"] for each in body["files"]]
    assert paths == sorted(set(paths))
    for end in ("model.onnx", "report.html", "train.parquet", "docs.html", "part.parquet", "result.json", "request.json"):
        assert any(path.endswith(end) for path in paths), end
    root = Path(services.settings.root)
    assert all((root / path).is_file() for path in paths)
    for folder in body["folders"]:
        held = {each.relative_to(root).as_posix() for each in (root / folder).rglob("*") if each.is_file()}
        assert held <= set(paths)


def test_monitoring_is_of_the_windows_in_which_the_version_answered(services: Services) -> None:
    (window,) = gather(services, MODEL, 1, "ada")["monitoring"]["windows"]
    assert (window["window"], window["rows"], window["fairness"]) == ("2013-04-01/2013-04-08", 90, {"words": "alike"})
    assert gather(services, MODEL, 2, "ada")["monitoring"] == {"windows": [], "decisions": []}


def test_a_rollout_stands_with_its_events_and_the_audit_has_its_rows(services: Services) -> None:
    control = services.control
    epoch = control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(control, SPEC, 2, request="request", actor="t", epoch=epoch)
    enter_stage(control, rollout, rollout.stages[0].name, epoch)
    body = gather(services, MODEL, 2, "ada")
    (shown,) = body["rollout"]
    assert shown["name"] == rollout.id
    assert [event["event"] for event in shown["events"]][:2] == ["opened", "entered"]
    assert {row["action"] for row in body["audit"]["rows"]} >= {"register", "rollout.open"}
    assert body["audit"]["rollouts"] == [rollout.id]


def test_what_is_gone_is_said_to_be_missing_and_the_rest_is_there(services: Services) -> None:
    root = Path(services.settings.root)
    paths = [each["path"] for each in gather(services, MODEL, 2, "ada")["files"]]
    model = root / next(path for path in paths if path.endswith("model.onnx"))
    result = root / next(path for path in paths if path.startswith("ledger/evaluate") and path.endswith("result.json"))
    weights, record = model.read_bytes(), result.read_bytes()
    try:
        model.write_bytes(weights + b"x")
        broken = gather(services, MODEL, 2, "ada")["lineage"]
        assert (broken["intact"], [each["name"] for each in broken["problems"]]) == (False, ["train"])
        result.unlink()
        gone = gather(services, MODEL, 2, "ada")
        assert "evaluation" in gone["missing"]
        assert "evaluation" not in gone
        assert gone["data"]["training_set"]["rows"] == 30
    finally:
        model.write_bytes(weights)
        result.write_bytes(record)


def test_a_version_that_is_not_there_is_an_error(services: Services) -> None:
    with pytest.raises(DataError):
        gather(services, MODEL, 9, "ada")
