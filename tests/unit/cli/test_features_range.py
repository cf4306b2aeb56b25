"""`slipstream features range`: how far ranges are, what is missing, and taking days in without Airflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.cli.main import main
from tests.support.operator_runs import MODEL, Life, day, settle_in


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    life = Life(settle_in(tmp_path, monkeypatch))
    assert life.services.control  # a platform has run here
    return life


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["features", "range", MODEL, *arguments]) == 0
    return capsys.readouterr().out


def test_days_are_taken_in_and_what_is_missing_is_said(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 4):
        life.land(day(number))
    done = json.loads(told(capsys, "--from", "2013-01-01", "--to", "2013-01-02", "--run", "--json"))
    assert (done["ranges"][0]["made"], done["ranges"][0]["found"], done["ranges"][0]["stands"]) == (2, 0, "done")
    text = told(capsys)
    assert "2013-01-01 to 2013-01-02  done    2 of 2 days" in text
    assert "2013-01-01 to 2013-01-04 of shop: 2 of 4 days are published." in text
    assert "Not landed: 2013-01-03." in text
    assert '--conf \'{"from": "2013-01-04", "to": "2013-01-04"}\'' in text
    days = json.loads(told(capsys, "--json", "--from", "2013-01-02"))["days"]
    assert (days["published"], days["missing"], days["not_landed"]) == (1, ["2013-01-04"], ["2013-01-03"])


def test_a_range_with_a_failing_day_exits_with_1_and_the_next_command(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 3):
        life.land(day(number))
    assert main(["features", "range", MODEL, "--from", "2013-01-01", "--to", "2013-01-03", "--run"]) == 1
    assert "1 of 3 days of shop could not be taken in: 2013-01-02" in capsys.readouterr().err
    assert "2013-01-02: " in told(capsys)


def test_to_run_takes_both_ends(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "range", MODEL, "--from", "2013-01-01", "--run"]) == 1
    assert "give both" in capsys.readouterr().err
