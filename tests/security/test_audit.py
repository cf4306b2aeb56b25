"""The audit chain under attack: rows edited, removed, cut off or computed anew, seals edited and deleted, kills, two at once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.backends.s3.storage import S3Storage
from include.core import fault
from include.core.control import ControlStore, audit, audit_hash
from include.core.errors import IntegrityError
from include.core.storage import LocalStorage, Storage
from include.governance.audit_chain import Verdict, verify
from include.governance.seals import FOLDER, accept, path_of, read_seals, write_seal
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.support.s3_server import s3_address, s3_client  # noqa: F401  (fixtures)

at = audit.c.seq


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return store_at(f"sqlite:///{tmp_path / 'control.db'}")


@pytest.fixture
def root(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "store")


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    fault.arm(None)


def store_at(address: str) -> ControlStore:
    store = ControlStore(address)
    store.create_tables()
    return store


def add(control: ControlStore, count: int = 1) -> None:
    for n in range(count):
        with control.transaction() as connection:
            control.append_audit(connection, "ada", "rollback", "shop", {"n": n, "reason": "ü"})


def sealed(control: ControlStore, root: Storage) -> None:
    """Rows 1 to 4, seal 1 of row 4, its row 5, rows 6 and 7, seal 2 of row 7, its row 8, row 9."""
    add(control, 4)
    write_seal(control, root, actor="t")
    add(control, 2)
    write_seal(control, root, actor="t")
    add(control)
    assert verify(control, root).intact


def run(control: ControlStore, *statements: sa.Executable) -> None:
    with control.transaction() as connection:
        for statement in statements:
            connection.execute(statement)


def rewrite(control: ControlStore, change: Callable[[dict[str, Any]], None]) -> None:
    """The whole chain once more with fresh hashes, as somebody does who knows how they are made."""
    with control.transaction() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(audit).order_by(at)).mappings()]
        connection.execute(audit.delete())
        previous = "0" * 64
        for row in rows:
            change(row)
            row["previous"] = previous
            row["hash"] = previous = audit_hash(row)
            connection.execute(audit.insert().values(**row))


def places(verdict: Verdict) -> list[str]:
    return [each.id.partition("/")[0] for each in verdict.findings]


def test_an_untouched_chain_is_intact_and_says_how_far_it_is_sealed(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    verdict = verify(control, root)
    assert (verdict.rows, verdict.seals, verdict.sealed, verdict.unsealed, verdict.findings) == (9, 2, 7, 2, ())
    verdict.raise_if_broken()


EDITS = {
    "actor": {"actor": "eve"}, "action": {"action": "register"}, "subject": {"subject": "other"}, "time": {"at": "2013"},
    "detail": {"detail": {"n": 0}}, "hash": {"hash": "0" * 64}, "previous": {"previous": "0" * 64},
}  # fmt: skip


@pytest.mark.parametrize("values", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("seq", [2, 6, 9])
def test_an_edited_row_is_found_before_and_after_the_seals(
    control: ControlStore, root: Storage, seq: int, values: dict[str, Any]
) -> None:
    sealed(control, root)
    run(control, audit.update().where(at == seq).values(**values))
    verdict = verify(control, root)
    assert f"row:{seq}" in places(verdict)
    with pytest.raises(IntegrityError) as refused:
        verdict.raise_if_broken()
    assert f"row:{seq}" in str(refused.value)
    assert refused.value.safe
    assert "slipstream audit accept" in refused.value.hint


@pytest.mark.parametrize(
    ("gone", "found", "words"),
    [
        ([1], ["row:2"], "row 1 is gone before it"),
        ([3], ["row:4"], "row 3 is gone before it"),
        ([2, 3], ["row:4"], "rows 2 to 3 are gone before it"),
        ([4], ["row:5", "seal:1"], "row 4 is gone before it"),
        ([5], ["row:6", "seal:1"], "row 5 is gone before it"),
    ],
    ids=str,
)
def test_rows_deleted_in_the_middle_are_found(
    control: ControlStore, root: Storage, gone: list[int], found: list[str], words: str
) -> None:
    sealed(control, root)
    run(control, audit.delete().where(at.in_(gone)))
    verdict = verify(control, root)
    assert places(verdict) == found
    assert words in verdict.findings[0].what


def test_rows_deleted_and_the_rest_numbered_anew_are_found(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    run(control, audit.delete().where(at == 3), *(audit.update().where(at == n).values(seq=n - 1) for n in range(4, 10)))
    assert "row:3" in places(verify(control, root))


@pytest.mark.parametrize(
    ("left", "words"),
    [(6, "the table ends at row 6, and row 7 was sealed"), (3, "rows 4 to 7 are gone"), (0, "every row is gone")],
)
def test_rows_cut_off_at_the_end_are_noticed(control: ControlStore, root: Storage, left: int, words: str) -> None:
    sealed(control, root)
    run(control, audit.delete().where(at > left))
    assert control.broken_audit_rows() == []  # the chain itself knows nothing of it
    verdict = verify(control, root)
    assert "seal:2" in places(verdict)
    assert words in " ".join(each.what for each in verdict.findings)


def test_rows_cut_off_and_replaced_by_others_are_noticed(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    run(control, audit.delete().where(at > 6))
    add(control, 20)
    assert control.broken_audit_rows() == []
    assert places(verify(control, root)) == ["seal:2"]


def test_the_whole_chain_computed_anew_is_noticed(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    rewrite(control, lambda row: row.update(actor="eve") if row["seq"] == 2 else None)
    assert control.broken_audit_rows() == []
    verdict = verify(control, root)
    assert places(verdict) == ["seal:1", "seal:2"]
    assert "row 4 is not the one it was when it was sealed" in verdict.findings[0].what


def test_the_chain_computed_anew_after_the_first_seal_is_noticed_by_the_second(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    rewrite(control, lambda row: row.update(actor="eve") if row["seq"] == 6 else None)
    assert places(verify(control, root)) == ["seal:2"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_deleted_seal_is_missed_by_the_table(control: ControlStore, root: Storage, number: int) -> None:
    sealed(control, root)
    root.delete(path_of(number))
    verdict = verify(control, root)
    assert places(verdict) == [f"seal:{number}"]
    assert "is gone, which row" in verdict.findings[0].what


def test_all_seals_deleted_and_the_end_cut_off_is_noticed(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    root.delete(FOLDER)
    run(control, audit.delete().where(at > 5))
    assert places(verify(control, root)) == ["seal:1"]


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[1]", b'{"number": 1}', b"[" * 100_000], ids=lambda data: str(data[:9]))
def test_a_seal_that_was_overwritten_is_found_and_no_traceback(control: ControlStore, root: Storage, data: bytes) -> None:
    sealed(control, root)
    root.write(path_of(1), data)
    assert places(verify(control, root)) == ["seal:1", "seal:2"]  # the one after it covers it


def test_a_seal_forged_to_fit_a_forged_chain_is_found(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    rewrite(control, lambda row: row.update(actor="eve") if row["seq"] == 2 else None)
    root.delete(FOLDER)
    write_seal(control, root, actor="eve")
    assert set(places(verify(control, root))) >= {"seal:1", "seal:2"}


def test_a_row_that_names_a_seal_and_was_edited_is_no_traceback(control: ControlStore, root: Storage) -> None:
    sealed(control, root)
    for detail in ({}, [1], {"seal": "x"}, {"seal": -1}, None):
        run(control, audit.update().where(at == 8).values(detail=detail if detail is not None else sa.JSON.NULL))
        assert "row:8" in places(verify(control, root))
        write_seal(control, root, actor="t")


def test_a_table_without_seals_is_verified_by_itself_and_an_empty_one_is_not_sealed(control: ControlStore, root: Storage) -> None:
    assert write_seal(control, root, actor="t") is None
    assert verify(control, root).intact
    add(control, 3)
    assert verify(control, root).words == "3 rows, none of them sealed yet."


def test_nothing_is_written_where_nothing_was_added(control: ControlStore, root: Storage) -> None:
    add(control)
    assert [bool(write_seal(control, root, actor="t")) for _ in range(3)] == [True, False, False]
    assert (verify(control, root).rows, len(read_seals(root))) == (2, 1)


@pytest.mark.parametrize("point", ["audit.seal", "storage.create.temporary", "storage.create.linked", "audit.sealed",
                                   "control.once.begin", "control.once.effect", "control.once.committed"])  # fmt: skip
def test_killed_at_any_instant_a_seal_does_no_harm(control: ControlStore, root: Storage, point: str) -> None:
    add(control, 3)
    write_seal(control, root, actor="t")
    add(control, 2)
    child = os.fork()
    if child == 0:
        fault.arm(fault.Fault(point, "kill"))
        write_seal(ControlStore(control.url), root, actor="t")
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert verify(control, root).intact
    add(control)  # the world goes on before the next seal
    assert write_seal(control, root, actor="t") is not None
    verdict = verify(control, root)
    assert verdict.intact
    with control.transaction() as connection:
        rows = connection.execute(sa.select(audit.c.detail).where(audit.c.action == "audit.seal")).scalars().all()
    assert sorted(row["seal"] for row in rows) == [each.number for each in read_seals(root)]


def test_of_many_that_seal_at_once_each_number_is_one(control: ControlStore, root: Storage) -> None:
    add(control, 3)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: (add(control), write_seal(control, root, actor=f"t{n}")), range(12)))
    verdict = verify(control, root)
    assert verdict.intact, verdict.findings
    assert [each.number for each in read_seals(root)] == list(range(1, verdict.seals + 1))


def test_what_was_found_can_be_accepted_with_its_reason_and_anything_new_is_an_alarm(
    control: ControlStore, root: Storage
) -> None:
    sealed(control, root)
    run(control, audit.delete().where(at > 3), audit.update().where(at == 2).values(actor="eve"))
    found = verify(control, root).findings
    accept(control, root, [each.id for each in found], actor="ada", reason="restored")
    for _ in range(3):
        add(control, 9)
        verdict = verify(control, root)
        assert verdict.intact, verdict.findings
        assert {seal.reason for _, seal in verdict.accepted} == {"restored"}
        assert write_seal(control, root, actor="t") is not None
    run(control, audit.update().where(at == 2).values(actor="mallory"))  # the same row once more
    assert places(verify(control, root)) == ["row:2"]


def _many(address: str, who: str, count: int) -> None:
    control = ControlStore(address)
    for n in range(count):
        with control.transaction() as connection:
            control.append_audit(connection, who, "did", "shop", {"n": n})


@pytest.fixture(params=["local", "s3"])
def sealed_in(request: pytest.FixtureRequest, root: Storage) -> Storage:
    return root if request.param == "local" else S3Storage("s3://slipstream/audited", request.getfixturevalue("s3_client"))


def test_two_processes_that_write_at_once_stay_in_one_chain(url: str, sealed_in: Storage) -> None:  # noqa: F811
    """On SQLite and PostgreSQL, sealed on disk and S3."""
    sealed_in.delete(FOLDER)  # of the database before
    control = store_at(url)
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_many, args=(url, who, 12)) for who in ("ada", "bob")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        write_seal(control, sealed_in, actor="t")
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    write_seal(control, sealed_in, actor="t")
    verdict = verify(control, sealed_in)
    assert verdict.intact, verdict.findings
    assert verdict.rows == 24 + verdict.seals
    run(control, audit.delete().where(at > 20))
    assert not verify(control, sealed_in).intact
