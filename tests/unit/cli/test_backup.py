"""`slipstream backup`: what a person reads, and how the command ends. What it does is tested in tests/unit/backup."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from pathlib import Path

import pytest

from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path.parent / f"backup-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def moved(tmp_path: Path, place: Path, slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another home, with a copy of the storage; the command works there from now on."""
    assert slipstream("backup", "create", str(place))[0] == 0
    home = place.with_name(f"{place.name}-home")
    home.mkdir()
    shutil.copytree(tmp_path / "store", home / "store")
    shutil.copy(tmp_path / "connections.env", home)
    monkeypatch.setenv("SLIPSTREAM_HOME", str(home))
    return home


def test_what_is_in_a_backup_and_what_is_not_is_said(slipstream: Slipstream, place: Path, tmp_path: Path) -> None:
    status, said, _ = slipstream("backup", "create", str(place))
    assert status == 0
    assert "The files under" in said
    assert "Not in it: passwords, keys and connections" in said
    status, said, _ = slipstream("backup", "create", str(place / "more"), "--with-data")
    assert (status, "files of the storage" in said, "The files under" in said) == (0, True, False)
    status, said, _ = slipstream("backup", "verify", str(place))
    assert status == 0
    assert re.fullmatch(r"All \d+ parts are as they were written\.", said.splitlines()[0])
    shutil.rmtree(tmp_path / "store" / "ledger" / "evaluate")
    status, said, _ = slipstream("backup", "verify", str(place))
    assert status == 3
    assert "evaluation: " in said


def test_restored_elsewhere_everything_is_found(slipstream: Slipstream, moved: Path, place: Path) -> None:
    status, said, _ = slipstream("backup", "restore", str(place), "--dry-run")
    assert (status, said.splitlines()[-1].endswith("Nothing was changed.")) == (0, True)
    assert not (moved / "control.db").exists() or slipstream("versions", MODEL)[0] != 0
    status, said, _ = slipstream("backup", "restore", str(place))
    assert status == 0
    assert "The audit chain verifies" in said
    assert f"next: slipstream features catch-up {MODEL}" in said
    assert slipstream("versions", MODEL)[0] == 0
    assert slipstream("trace", MODEL)[0] == 0
    status, said, _ = slipstream("backup", "restore", str(place))
    assert (status, "had been filled from this backup before" in said) == (0, True)


def test_on_the_storage_of_the_platform_itself_the_chain_is_newer_than_the_backup(
    slipstream: Slipstream, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were sealed after the backup are gone with the store that was lost: that is found, and accepted by a person."""
    assert slipstream("backup", "create", str(place))[0] == 0
    assert slipstream("rollback", MODEL)[0] == 0
    assert slipstream("audit", "seal")[0] == 0
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", f"sqlite:///{tmp_path}/new.db")
    status, _, err = slipstream("backup", "restore", str(place))
    assert (status, "--take-over" in err) == (5, True)
    status, said, _ = slipstream("backup", "restore", str(place), "--take-over")
    assert status == 3
    assert "The audit chain is not as it was written" in said
    assert "next: slipstream audit accept --reason" in said
    assert slipstream("audit", "accept", "--reason", "restored from a backup")[0] == 0
    assert slipstream("audit", "verify")[0] == 0


def test_a_platform_that_runs_is_not_restored_over(
    slipstream: Slipstream, moved: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del moved
    monkeypatch.setattr("include.local.supervisor.Supervisor.running", lambda _: True)
    status, _, err = slipstream("backup", "restore", str(place))
    assert (status, "make down" in err) == (5, True)


def test_another_entity_key_is_told(slipstream: Slipstream, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "entity_key").write_text("a key")
    assert slipstream("backup", "create", str(place), "--with-data")[0] == 0
    home = place.with_name(f"{place.name}-home")
    home.mkdir()
    shutil.copy(tmp_path / "connections.env", home)
    monkeypatch.setenv("SLIPSTREAM_HOME", str(home))
    status, said, _ = slipstream("backup", "restore", str(place))
    assert (status, "next: bring the former entity key" in said) == (0, True)
    os.makedirs(home / "secrets", exist_ok=True)
    (home / "secrets" / "entity_key").write_text("a key")
    assert "entity key" not in slipstream("backup", "restore", str(place))[1]
