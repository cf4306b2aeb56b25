"""`slipstream upgrade` where there is nothing to do, and where nothing has run. tests/upgrade has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.cli.main import main
from include.core.control import ControlStore
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
