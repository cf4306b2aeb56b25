"""A backup is whole or is none, of one moment, and is made while others write."""

from __future__ import annotations

import json
import os
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.backup import manifest as manifests
from include.backup.dump import dump
from include.backup.lines import read_lines
from include.backup.verify import verify
from include.core.control import metadata
from include.core.errors import ConflictError, DataError, IntegrityError, SpecError
from include.core.snapshot import snapshot
from include.core.storage import LocalStorage
from include.data.published import publish, resource
from tests.support.aged import killed_at, let_pass
from tests.support.carried import Machine
from tests.support.toy_ledger import MODEL, Loop


def check(backup: Path, scratch: Path, root: LocalStorage | None = None) -> tuple[list[str], list[str]]:
    """What is wrong with a backup, and what a storage lacks of it."""
    scratch.mkdir(exist_ok=True)
    found = verify(LocalStorage(backup), manifests.read(LocalStorage(backup)), scratch, root)
    return found.problems, found.lacking


def test_the_manifest_says_what_is_in_it(machine: Machine, tmp_path: Path) -> None:
    made = machine.back_up(tmp_path / "backup").manifest
    assert manifests.read(LocalStorage(tmp_path / "backup")) == made
    assert (made.release, made.root, made.with_data) == ("1.2.3", str(machine.root), False)
    assert made.control == f"sqlite:///{machine.settings.home}/control.db"
    assert made.audit_seq == next(part.rows for part in made.parts if part.name == "slipstream_audit")
    assert {part.name: part.rows for part in made.parts if part.kind != "control"} == {"ledger": 12, "seals": 1, "tokens": 1}
    assert made.entity_key, "a mark, by which the key is known again"
    assert check(tmp_path / "backup", tmp_path / "scratch", LocalStorage(machine.root)) == ([], [])


def test_every_table_is_in_it(machine: Machine, tmp_path: Path) -> None:
    made = machine.back_up(tmp_path / "backup").manifest
    assert {part.name for part in made.of("control")} == set(metadata.tables) - {"slipstream_schema"}


def test_it_is_of_one_moment_while_others_write(machine: Machine, tmp_path: Path) -> None:
    """A day is published, with its effect and its fence, between two tables."""
    loop = Loop.under(machine.settings.home)
    with snapshot(machine.control) as connection:
        first = dump(connection, tmp_path)
        day = date(2013, 1, 7)
        publish(machine.control, MODEL, day, loop.day(day), {"labels": 3}, machine.control.take(resource(MODEL, day), "t"))
        (tmp_path / "again").mkdir()
        second = dump(connection, tmp_path / "again")
    assert {name: path.read_bytes() for name, (path, _) in first.items()} == {
        name: path.read_bytes() for name, (path, _) in second.items()
    }
    assert not [row for row in read_lines(first["slipstream_partitions"][0]) if row["day"] == str(day)]


def test_what_is_new_since_is_in_the_next(machine: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "one")
    day = date(2013, 1, 7)
    ref = Loop.under(machine.settings.home).day(day)
    publish(machine.control, MODEL, day, ref, {"labels": 3}, machine.control.take(resource(MODEL, day), "t"))
    rows = {part.name: part.rows for part in machine.back_up(tmp_path / "two").manifest.parts}
    assert rows["slipstream_partitions"] == 3
    assert rows["ledger"] == 14


@pytest.mark.parametrize("point", ["backup.table", "backup.part", "backup.data", "backup.parts"])
def test_killed_at_any_point_there_is_no_backup_and_the_next_try_makes_one(machine: Machine, tmp_path: Path, point: str) -> None:
    for skip in (0, 2):
        with killed_at(point, 0 if point == "backup.parts" else skip):
            machine.back_up(tmp_path / "backup", with_data=True)
        with pytest.raises(DataError, match="There is no whole backup"):
            manifests.read(LocalStorage(tmp_path / "backup"))
    let_pass(tmp_path / "backup", 2)
    machine.back_up(tmp_path / "backup", with_data=True)
    assert check(tmp_path / "backup", tmp_path / "scratch") == ([], [])
    assert len([path for path in (tmp_path / "backup").iterdir() if path.name.startswith("parts-")]) == 1, "what was left is gone"


def test_killed_after_its_last_write_it_is_whole(machine: Machine, tmp_path: Path) -> None:
    with killed_at("backup.written"):
        machine.back_up(tmp_path / "backup")
    assert check(tmp_path / "backup", tmp_path / "scratch") == ([], [])


def test_a_place_that_holds_one_is_left_as_it_is(machine: Machine, tmp_path: Path) -> None:
    made = machine.back_up(tmp_path / "backup")
    with pytest.raises(ConflictError, match="There is a backup"):
        machine.back_up(tmp_path / "backup")
    assert manifests.read(LocalStorage(tmp_path / "backup")) == made.manifest


def test_of_two_at_once_the_first_stands_whole(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = manifests.write
    winner: list[Any] = []

    def while_another_writes(storage: Any, manifest: Any) -> bool:
        if not winner:
            winner.append(None)
            winner[0] = machine.back_up(tmp_path / "backup").manifest
        return write(storage, manifest)

    monkeypatch.setattr(manifests, "write", while_another_writes)
    with pytest.raises(ConflictError, match="There is a backup"):
        machine.back_up(tmp_path / "backup")
    assert manifests.read(LocalStorage(tmp_path / "backup")) == winner[0]
    assert check(tmp_path / "backup", tmp_path / "scratch") == ([], [])
    assert len(list((tmp_path / "backup").glob("parts-*"))) == 1


@pytest.mark.parametrize("place", ["home/store/backup", "home/backup", "home/store", "."])
def test_a_place_in_or_around_what_it_copies_is_refused(machine: Machine, tmp_path: Path, place: str) -> None:
    with pytest.raises(SpecError, match="no part of what it is a copy of"):
        machine.back_up((tmp_path / place).resolve())


def test_what_it_writes_is_its_owners_alone(machine: Machine, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        machine.back_up(tmp_path / "backup")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "backup").rglob("*") if path.is_file()} == {0o600}


# -- verify ----------------------------------------------------------------------------------------------------------------


def test_each_damage_is_found(machine: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup", with_data=True)
    backup, scratch = tmp_path / "backup", tmp_path / "scratch"
    copied = next(path for path in (backup / "data").rglob("*") if path.is_file())
    data = copied.read_bytes()
    copied.write_bytes(data + b"x")
    assert "is not as it was written" in check(backup, scratch)[0][0]
    copied.unlink()
    assert "is gone" in check(backup, scratch)[0][0]
    copied.write_bytes(data)
    part = next((backup / f"parts-{manifests.read(LocalStorage(backup)).id}").rglob("*versions*"))
    part.write_bytes(part.read_bytes()[:-1])
    assert "The part slipstream_versions" in check(backup, scratch)[0][0]
    part.unlink()
    assert "it is gone" in check(backup, scratch)[0][0]
    body = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps({**body, "root": "elsewhere"}))
    with pytest.raises(IntegrityError, match="is not as it was written"):
        manifests.read(LocalStorage(backup))
    (backup / "manifest.json").write_text("half of")
    with pytest.raises(IntegrityError, match="is not as it was written"):
        manifests.read(LocalStorage(backup))


def test_a_reference_that_the_storage_does_not_hold_is_named(machine: Machine, tmp_path: Path) -> None:
    storage = LocalStorage(machine.root)
    machine.back_up(tmp_path / "backup")
    file = next(path for path in storage.list("ledger/train") if path.endswith("model.onnx"))
    storage.delete(file)
    (lack,) = check(tmp_path / "backup", tmp_path / "scratch", storage)[1]
    assert "train" in lack
    assert file in lack


def test_a_damaged_result_keeps_no_backup_from_being_made(machine: Machine, tmp_path: Path) -> None:
    storage = LocalStorage(machine.root)
    path = next(path for path in storage.list("ledger/train") if path.endswith("result.json"))
    storage.write(path, b"{half")
    machine.back_up(tmp_path / "backup")
    (problem,) = check(tmp_path / "backup", tmp_path / "scratch")[0]
    assert problem.endswith(f"{path} was damaged")


def test_an_address_without_a_backup_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no whole backup") as error:
        manifests.read(LocalStorage(tmp_path / "nothing"))
    assert error.value.hint == "is the address right?"
