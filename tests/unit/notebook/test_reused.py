"""From an empty folder: a model is made, checked, trained and evaluated without Airflow; its DAGs compute none of it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from include.cli.main import main
from include.core.digest import PROJECT
from tests.support.operator_runs import Life, Run, settle_in

NAME, DAYS = "sendback", 9
ROWS = {"holdout_days=7": "holdout_days=2", "minimum_rows=500": "minimum_rows=300"}  # of few days


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, empty, beside a link to the project; and a home where nothing has ever run."""
    models = tmp_path / "new_models"
    models.mkdir()
    (models / "__init__.py").touch()
    (tmp_path / "include").symlink_to(PROJECT / "include")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("include.core.digest.PROJECT", tmp_path)  # code below it is what keys are made from
    for name in [name for name in sys.modules if name.split(".")[0] == "new_models"]:
        monkeypatch.delitem(sys.modules, name)
    return models


def answer(capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, object]:
    assert main([*command, "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()  # Airflow, which this process has imported, logs there as well
    start = max(number for number, line in enumerate(lines) if line == "{")
    value: dict[str, object] = json.loads("\n".join(lines[start:]))
    return value


@pytest.mark.thorough
def test_a_new_model_made_by_hand_is_found_by_its_dags(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    services = settle_in(tmp_path / "home", monkeypatch, models="new_models")
    made = answer(capsys, "new", NAME)
    assert made["folder"] == str(repository / NAME)
    checked = answer(capsys, "check", NAME)
    (report,) = checked["models"]  # type: ignore[misc]
    assert {check["check"]: check["status"] for check in report["checks"]} == dict.fromkeys(
        ("spec", "imports", "code", "sample", "expectations", "features", "training set", "encoder", "fit", "onnx", "dags"), "ok"
    )
    assert not list(services.storage.list(""))  # a check leaves nothing behind

    spec = repository / NAME / "spec.py"
    for before, after in ROWS.items():
        spec.write_text(spec.read_text().replace(before, after))
    from new_models.sendback import sample_data  # type: ignore[import-not-found]

    monkeypatch.setattr(sample_data, "ORDERS", 200)
    sample_data.main("2024-01-01", f"2024-01-{DAYS:02d}")
    for name in [name for name in sys.modules if name.startswith("new_models.")]:
        monkeypatch.delitem(sys.modules, name)
    first = answer(capsys, "evaluate", NAME)
    assert first["metrics"]["auc"] > 0.6  # type: ignore[index]
    assert not first["reused"]

    ledger = sorted(services.storage.list("ledger"))
    life, by_hand = Life(services, NAME), Run()
    for day in range(1, DAYS + 1):
        life.publish(sample_data.date(2024, 1, day))
    life.trained(by_hand)
    assert sorted(services.storage.list("ledger")) == ledger  # not one attempt more, not one result
    assert by_hand.xcom["evaluate"]["digest"] == first["digest"]
    assert answer(capsys, "evaluate", NAME)["reused"]
