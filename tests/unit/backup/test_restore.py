"""What was carried away is there again, as it was: the rows, the chain, the rollout; and the former platform is shut out."""

from __future__ import annotations

import gzip
import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.backup.dump import rows
from include.backup.load import load
from include.core.control import FLOOR, ControlStore, metadata
from include.core.digest import digest_json
from include.core.errors import ConflictError, DataError, FencedError, IntegrityError, PermanentError
from include.core.root_owner import newest_claim, own_claim, require_own_root
from include.core.schema import HEAD
from include.governance.audit_chain import verify
from include.governance.lineage import trace
from include.rollout.evidence_store import lock_stage, read_source
from include.rollout.history import live_rollout
from include.rollout.machine import record_verdict
from include.versions.queries import champion, records
from tests.support.aged import killed_at
from tests.support.carried import GATEWAY, SECRETS, Machine
from tests.support.toy_ledger import MODEL

CHANGED = ("slipstream_fences", "slipstream_audit", "slipstream_documents", "slipstream_schema")
POINTS = (
    "restore.committed", "restore.rows", "restore.filled", "restore.done", "root.claim", "root.claimed", "restore.seal",
    "restore.file",
)  # fmt: skip


def stored(control: ControlStore) -> dict[str, list[dict[str, Any]]]:
    """Every row, as it is stored."""
    with control.transaction() as connection:
        return {table.name: list(rows(connection, table)) for table in metadata.sorted_tables}


def assert_same(before: dict[str, list[dict[str, Any]]], control: ControlStore) -> None:
    after = stored(control)
    for name in before:
        if name not in CHANGED:
            assert after[name] == before[name], name
    assert after["slipstream_audit"][:-1] == before["slipstream_audit"], "one row more: who restored it"
    kept = [row for row in after["slipstream_documents"] if row["kind"] != "platform"]
    assert kept == before["slipstream_documents"]


@pytest.mark.parametrize("with_data", [False, True])
def test_everything_is_there_again(machine: Machine, other: Machine, tmp_path: Path, with_data: bool) -> None:
    before = stored(machine.control)
    machine.back_up(tmp_path / "backup", with_data=with_data)
    if with_data:
        shutil.rmtree(other.root)
    done = other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert (done.lacking, done.kept, done.went_on, done.tokens) == ([], [], False, True)
    assert_same(before, other.control)
    audit = verify(other.control, other.settings.storage())
    assert audit.intact
    assert audit.seals == 1
    assert [record.version for record in records(other.control, MODEL)] == [1, 2]
    served = champion(records(other.control, MODEL))
    assert served is not None
    assert trace(other.ledger, other.control, MODEL, served.version).intact
    assert trace(other.ledger, other.control, MODEL, 2).intact
    assert Path(other.settings.gateway_tokens).read_text() == Path(machine.settings.gateway_tokens).read_text()
    assert stat.S_IMODE(Path(other.settings.gateway_tokens).stat().st_mode) == 0o600


def test_a_live_rollout_goes_on_in_the_middle_of_its_stage(machine: Machine, other: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup")
    other.restored(tmp_path / "backup", tmp_path / "scratch")
    rollout = live_rollout(other.control, MODEL)
    assert rollout is not None
    assert rollout == live_rollout(machine.control, MODEL)
    with other.control.transaction() as connection:
        stage = lock_stage(connection, rollout.id, alone=True)
        assert stage is not None
        counted = read_source(connection, rollout.id, GATEWAY, stage)
    assert (counted.seq, counted.accumulator.cursor) == (1, {"segment.jsonl": 4711})
    epoch = other.control.take(rollout.resource, "the restored platform's task")
    assert record_verdict(other.control, rollout, rollout.stage, {"answer": "roll_back", "reasons": ["x"]}, epoch) == "roll_back"
    assert live_rollout(other.control, MODEL) is None


def test_who_held_a_resource_before_is_fenced_off(machine: Machine, other: Machine, tmp_path: Path) -> None:
    """Also who took it after the backup, and a resource that the backup does not know."""
    machine.back_up(tmp_path / "backup")
    late = [machine.control.take(f"rollout/{MODEL}", f"task {n}") for n in range(5)][-1]
    new = machine.control.take("partition/toy/2013-01-09", "task")
    other.restored(tmp_path / "backup", tmp_path / "scratch")
    for resource, epoch in ((f"rollout/{MODEL}", late), ("partition/toy/2013-01-09", new)):
        with pytest.raises(FencedError):
            other.control.once(f"zombie/{resource}", resource, epoch, lambda _: {})
        mine = other.control.take(resource, "task of the restored platform")
        assert mine > epoch
        with pytest.raises(FencedError):
            other.control.once(f"zombie/{resource}", resource, epoch, lambda _: {})
        assert other.control.once(f"mine/{resource}", resource, mine, lambda _: {"x": 1}) == ({"x": 1}, True)
    assert other.control.once("alert", "reconcile", 0, lambda _: {})[1], "what is done once without a fence stays possible"


def test_a_store_that_was_never_restored_has_no_floor(machine: Machine) -> None:
    with machine.control.transaction() as connection:
        machine.control.fence(connection, "never taken", 1)
    assert machine.control.take("never taken", "task") == 1
    assert FLOOR not in {row["resource"] for row in stored(machine.control)["slipstream_fences"]}


def test_it_may_be_restored_again_and_again(machine: Machine, other: Machine, tmp_path: Path) -> None:
    """A backup of a restored platform: its fences go up once more, and its claim is the second."""
    machine.back_up(tmp_path / "backup")
    other.restored(tmp_path / "backup", tmp_path / "scratch")
    epoch = other.control.take(f"rollout/{MODEL}", "task")
    other.back_up(tmp_path / "second")
    third = Machine.at(tmp_path / "third")
    shutil.copytree(other.root, third.root)
    with pytest.raises(ConflictError, match="is that of the platform"):  # the claim was copied with the storage
        third.restored(tmp_path / "second", tmp_path / "scratch")
    third.restored(tmp_path / "second", tmp_path / "scratch", take_over=True)
    claim = own_claim(third.control)
    assert claim is not None
    assert claim.number == 2
    assert third.control.take(f"rollout/{MODEL}", "task") > epoch + 1000
    assert verify(third.control, third.settings.storage()).intact


# -- two platforms on one root ---------------------------------------------------------------------------------------------


def test_the_root_of_the_platform_itself_is_taken_over_only_on_purpose(machine: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup")
    new = Machine.at(tmp_path / "new")
    shared = Machine(replace(new.settings, root=str(machine.root)), new.control)
    with pytest.raises(ConflictError, match="the platform that was backed up") as refused:
        shared.restored(tmp_path / "backup", tmp_path / "scratch")
    assert "--take-over" in refused.value.hint
    assert newest_claim(machine.settings.storage()) is None
    require_own_root(machine.control, machine.settings.storage())
    shared.restored(tmp_path / "backup", tmp_path / "scratch", take_over=True)
    require_own_root(shared.control, shared.settings.storage())
    with pytest.raises(ConflictError, match="belongs to the platform"):
        require_own_root(machine.control, machine.settings.storage())


# -- refusals --------------------------------------------------------------------------------------------------------------


def test_a_store_in_use_is_refused_and_says_what_is_there(machine: Machine, other: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup")
    other.control.create_tables()
    with other.control.transaction() as connection:
        other.control.append_audit(connection, "somebody", "look", "x", {})
    before = stored(other.control)
    with pytest.raises(ConflictError, match="is in use: it has 1 audit"):
        other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert stored(other.control) == before
    assert newest_claim(other.settings.storage()) is None


def test_a_store_whose_tables_were_made_and_never_used_is_empty(machine: Machine, other: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup")
    other.control.create_tables()
    other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert_same(stored(machine.control), other.control)


def test_a_storage_that_lacks_what_is_referred_to_is_refused(machine: Machine, other: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup")
    version = records(machine.control, MODEL)[0]
    other.ledger.storage.delete(version.entry.lineage.train.uri)
    with pytest.raises(IntegrityError, match="lacks 1 of 8 results"):
        other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert own_claim_or_none(other) is None
    done = other.restored(tmp_path / "backup", tmp_path / "scratch", dry_run=True)
    assert len(done.lacking) == 1
    assert own_claim_or_none(other) is None
    done = other.restored(tmp_path / "backup", tmp_path / "scratch", anyway=True)
    assert len(done.lacking) == 1
    assert own_claim(other.control) is not None


def own_claim_or_none(machine: Machine) -> Any:
    return sa.inspect(machine.control.engine).get_table_names() or None


def test_a_backup_of_a_later_release_is_refused(machine: Machine, other: Machine, tmp_path: Path) -> None:
    machine.back_up(tmp_path / "backup")
    edit(tmp_path / "backup" / "manifest.json", schema=99)
    with pytest.raises(PermanentError, match="by a later release: its schema has the number 99"):
        other.restored(tmp_path / "backup", tmp_path / "scratch")
    edit(tmp_path / "backup" / "manifest.json", v=99)
    with pytest.raises(PermanentError, match="has version 99 of its format"):
        other.restored(tmp_path / "backup", tmp_path / "scratch")


def edit(path: Path, **changes: Any) -> None:
    body = {**json.loads(path.read_text()), **changes}
    body["digest"] = digest_json({name: value for name, value in body.items() if name not in ("v", "digest")})
    path.write_text(json.dumps(body))


def test_a_row_that_is_none_is_refused_and_nothing_is_restored(machine: Machine, other: Machine, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"model": "m", "day": "2013-01-01", "colour": "red"}\n'))
    with pytest.raises(DataError, match="there is no column 'colour'"):
        load(other.control, HEAD, {"slipstream_partitions": path}, lambda _: None)
    with pytest.raises(DataError, match="Schema 1 has no table 'slipstream_documents'"):
        load(other.control, 1, {"slipstream_documents": path}, lambda _: None)
    assert sa.inspect(other.control.engine).get_table_names() == []


def test_files_that_the_storage_has_otherwise_stay_and_are_named(machine: Machine, other: Machine, tmp_path: Path) -> None:
    """A raw partition landed once more since the backup: it is newer."""
    machine.back_up(tmp_path / "backup", with_data=True)
    path = next(path for path in other.settings.storage().list("raw"))
    other.settings.storage().write(path, b"corrected")
    done = other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert done.kept == [path]
    assert other.settings.storage().read(path) == b"corrected"


# -- killed ----------------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_same_command_goes_on(machine: Machine, tmp_path: Path, point: str) -> None:
    before = stored(machine.control)
    machine.back_up(tmp_path / "backup", with_data=True)
    other = Machine.at(tmp_path / "elsewhere")
    died = []
    for skip in (0, 1):
        with killed_at(point, skip):
            other.restored(tmp_path / "backup", tmp_path / "scratch")
            died.append(False)
    done = other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert len(died) < 2, "it never came by"
    assert done.went_on == (point in ("restore.committed", "root.claim", "root.claimed") or bool(died))
    assert_same(before, other.control)
    require_own_root(other.control, other.settings.storage())
    assert verify(other.control, other.settings.storage()).intact
    again = other.restored(tmp_path / "backup", tmp_path / "scratch")
    assert again.went_on, "and done once more it changes nothing"
    assert_same(before, other.control)


def test_what_is_kept_secret_is_in_no_backup(machine: Machine, tmp_path: Path) -> None:
    (machine.settings.home / "secrets").mkdir()
    (machine.settings.home / "secrets" / "entity_key").write_text("planted-file")
    machine.back_up(tmp_path / "backup", with_data=True)
    planted = [word.split("@")[0] for value in SECRETS.values() for word in value.split(":") if "planted" in word]
    names = [*planted, "planted-token", "planted-file"]
    assert len(names) == 6
    for path in (tmp_path / "backup").rglob("*"):
        if path.is_file():
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert not [name for name in names if name.encode() in text], path
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
