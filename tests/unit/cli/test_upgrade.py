"""`slipstream upgrade` where there is nothing to do, and where nothing has run. tests/upgrade has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.cli.main import main
from include.core.control import ControlStore
from include.core.schema import HEAD
from include.core.schema.migrate import read_number
from tests.unit.cli.conftest import Slipstream


def test_a_store_of_this_release_is_left_alone(slipstream: Slipstream, control: ControlStore) -> None:
    status, said, _ = slipstream("upgrade")
    assert status == 0
    assert "has the schema of this release" in said
    assert "nothing is to be migrated" in said
    assert slipstream("upgrade", "--dry-run")[1].splitlines()[-1] == "Nothing was changed."


def test_where_nothing_has_run_there_is_nothing_to_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "empty"))
    assert main(["upgrade"]) == 4
    assert "nothing has run here yet" in capsys.readouterr().err


def test_an_empty_database_is_made_once_and_by_a_dry_run_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first thing that a chart's installation does: the server is there, its database is empty."""
    (tmp_path / "control.db").touch()
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    control = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    assert main(["upgrade", "--dry-run"]) == 0
    assert "are to be made" in capsys.readouterr().out
    assert read_number(control) is None
    assert main(["upgrade"]) == 0
    assert "was empty: the tables of this release" in capsys.readouterr().out
    assert read_number(control) == HEAD
    assert main(["upgrade"]) == 0
    assert "nothing is to be migrated" in capsys.readouterr().out
