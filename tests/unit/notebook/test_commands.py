"""The commands that work on a model by hand answer for what the notebook gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.cli.main import main
from tests.support.operator_runs import MODEL
from tests.unit.notebook.conftest import DAYS, Desk
from tests.unit.operators.models.shop.orders import PER_DAY
from tests.unit.operators.models.shop.spec import SPEC


def answer(capsys: pytest.CaptureFixture[str], *command: str, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*command, "--json"]) == status
    lines = capsys.readouterr().out.splitlines()  # Airflow, which this process has imported, logs there as well
    start = max(number for number, line in enumerate(lines) if line == "{")
    value: dict[str, Any] = json.loads("\n".join(lines[start:]))
    return value


def test_the_rows_are_written_as_one_file(worked: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.parquet"
    value = answer(capsys, "training-set", MODEL, "--out", str(file))
    assert (value["rows"], value["holdout_rows"], value["reused"]) == (DAYS * PER_DAY, PER_DAY, True)
    assert value["file"] == str(file)
    assert pd.read_parquet(file)["held_out"].sum() == PER_DAY
    assert main(["training-set", MODEL, "--out", str(tmp_path / "no" / "rows.parquet")]) == 1
    assert "the training set stays in the ledger" in capsys.readouterr().err


def test_a_fit_is_found_fitted_otherwise_and_compared(worked: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    first = answer(capsys, "fit", MODEL)
    other = answer(capsys, "fit", MODEL, "--set", "ridge=9.0")
    assert (first["reused"], other["reused"]) == (True, False)
    assert other["params"] == {"ridge": 9.0}
    compared = answer(capsys, "compare", MODEL, first["key"][:14], other["key"])
    assert compared["low"] <= compared["better"] <= compared["high"]
    assert compared["rows"] == PER_DAY
    assert main(["compare", MODEL, first["key"]]) == 1
    assert "no champion yet" in capsys.readouterr().err
    assert main(["fit", MODEL, "--set", "ridge"]) == 1
    assert "NAME=VALUE" in capsys.readouterr().err


def test_an_evaluation_answers_with_its_gate_and_ends_by_it_where_asked(
    worked: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = answer(capsys, "evaluate", MODEL, "--gate")
    assert value["reused"]
    assert value["gate"] == {"passed": True, "reasons": []}
    assert value["fit"].startswith("train/")
    strict = SPEC.model_copy(update={"evaluation": SPEC.evaluation.model_copy(update={"minimum": 0.9999})})
    monkeypatch.setattr("tests.unit.operators.models.shop.spec.SPEC", strict)
    assert not answer(capsys, "evaluate", MODEL, "--gate", status=5)["gate"]["passed"]
    assert main(["evaluate", MODEL]) == 0
    assert "closed: auc" in capsys.readouterr().out
