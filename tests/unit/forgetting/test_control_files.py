"""On a real PostgreSQL as the control store: nothing of the subject is in any table, nor in the bytes of the server's files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.advisory_lock import advisory_lock
from include.core.control import ControlStore, audit, metadata, rollouts
from include.core.errors import ConflictError
from include.core.subject import Fingerprint, Subject
from include.forgetting.control_files import AROUND, PATIENCE, files_anew
from include.forgetting.control_rows import quoting
from include.forgetting.record import chained, records
from include.forgetting.search import Wanted, in_control
from include.governance.audit import history
from tests.support.aged import killed_at
from tests.support.databases import new_database
from tests.support.databases import postgres as postgres
from tests.support.effort import effort
from tests.support.fault_points import in_sources
from tests.support.subject_world import MODEL, TOLD, WHO, SubjectWorld

POINTS = sorted({name for name in in_sources() if name.startswith("forget.")} - {"forget.mlflow.written"})


@dataclass
class Database:
    """One database of a server, its tables as text, and its files."""

    url: str

    def __post_init__(self) -> None:
        self.control = ControlStore(self.url)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        with self.control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            done = connection.execute(sa.text(statement))
            return [tuple(row) for row in done] if done.returns_rows else []

    def dump(self) -> str:
        """Every row of every table of every schema, the catalogue's statistics included, as pg_dump would write them and more."""
        tables = self.ask(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname <> 'information_schema' "
            "AND tablename NOT IN ('pg_authid', 'pg_subscription', 'pg_user_mapping')"
        )
        rows = (str(row[0]) for (table,) in tables for row in self.ask(f"SELECT held::text FROM {table} held"))
        return "\n".join(rows)

    def holding(self, wanted: Wanted) -> list[str]:
        """Its files that have one of the values among their bytes, below the server's data folder: `base/16384/2619`."""
        self.ask("CHECKPOINT")
        ((folder,), ((number,),)) = (
            self.ask("SHOW data_directory")[0],
            self.ask("SELECT oid FROM pg_database WHERE datname = current_database()"),
        )
        root = Path(str(folder))
        return [
            path.relative_to(root).as_posix()
            for part in (f"base/{number}", "global", "pg_wal", "pg_stat")
            for path in (root / part).rglob("*")
            if path.is_file() and wanted.in_bytes(path.read_bytes())
        ]


@pytest.fixture
def database(postgres: str, tmp_path: Path) -> Iterator[Database]:
    made = Database(new_database(postgres, f"forget{abs(hash(str(tmp_path)))}").replace("+psycopg2", ""))
    yield made
    made.control.engine.dispose()


@pytest.fixture
def world(world: SubjectWorld, database: Database) -> SubjectWorld:
    """The life, whose control store's rows are in PostgreSQL; some of them were written over before, and some are words."""
    there = SubjectWorld(world.home, environ={"SLIPSTREAM_CONTROL_URL": database.url})
    with world.control.engine.begin() as reading, there.control.engine.begin() as writing:
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in reading.execute(sa.select(table)).mappings()]
            if rows and table.name != "slipstream_schema":
                writing.execute(table.insert(), rows)
    Path(world.control.url.removeprefix("sqlite:///")).unlink()
    quoted(there.control)
    return there


def quoted(control: ControlStore) -> None:
    """A rollout that was ended for the subject's sake, and said so more than once."""
    row = {"id": "r1", "model": MODEL, "live": None, "challenger": 1, "champion": None, "stage": "canary", "state": "rolled_back",
           "reason": f"wrong for {WHO}", "created_at": "2013", "updated_at": "2013"}  # fmt: skip
    with control.transaction() as connection:
        connection.execute(rollouts.insert(), row)
    for reason in (f"still wrong for {WHO}", f"{WHO}: once more"):
        with control.transaction() as connection:
            connection.execute(rollouts.update().values(reason=reason))


WANTED = Wanted.of(TOLD)


@pytest.mark.lives
def test_nothing_is_in_a_dump_nor_in_the_bytes_of_its_files(world: SubjectWorld, database: Database) -> None:
    assert WANTED.in_bytes(database.dump().encode())
    assert any(path.startswith("base/") for path in database.holding(WANTED))
    done = world.forget()
    assert done.complete
    assert done.control_rows == 2
    assert done.left == [AROUND]
    assert not WANTED.in_bytes(database.dump().encode())
    assert {path.partition("/")[0] for path in database.holding(WANTED)} <= {"pg_wal"}, "which is what is said to be left"
    assert list(in_control(world.control, WANTED)) == []
    with world.control.transaction() as connection:
        assert connection.execute(sa.select(rollouts.c.reason)).scalar() == "forgotten once more"
    (record,) = records(world.storage)
    assert chained(world.control, record)
    assert world.control.broken_audit_rows() == []


@pytest.mark.thorough
def test_two_at_once_and_one_beside_a_gc_are_refused(world: SubjectWorld, database: Database) -> None:
    for name in ("forget", "gc"):
        with advisory_lock(database.control, name) as alone:
            assert alone
            with pytest.raises(ConflictError, match=f"slipstream {name} is at work"):
                world.forget()


@pytest.mark.thorough
def test_what_an_open_transaction_may_still_read_is_said_and_nobody_waits(
    world: SubjectWorld, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.forgetting.control_files.PATIENCE", PATIENCE / 40)
    with database.control.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(sa.select(rollouts.c.reason)).all()  # it holds the table, and reads it as it is now
        done = world.forget()
        (said,) = [words for words in done.left if "slipstream_rollouts," in words]
        assert "somebody was using" in said
        assert "VACUUM FULL slipstream_rollouts" in said
        assert any("an open transaction may still read" in words for words in done.left), (
            "of another table, that it did not touch"
        )
    assert files_anew(world.control) == [AROUND]
    assert {path.partition("/")[0] for path in database.holding(WANTED)} <= {"pg_wal"}


@pytest.mark.thorough
def test_a_row_of_the_audit_chain_that_quotes_the_subject_is_named_and_stays(world: SubjectWorld) -> None:
    with world.control.transaction() as connection:
        world.control.append_audit(connection, "a person", "release", MODEL, {"deep": [{"reason": f"it was {WHO}"}]})
        number = connection.execute(sa.select(sa.func.max(audit.c.seq))).scalar()
    done = world.forget()
    assert [words for words in done.left if words.startswith(f"rows {number} of the audit chain")]
    assert done.complete
    assert world.control.broken_audit_rows() == []


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.thorough
def test_killed_anywhere_it_is_carried_out_once(world: SubjectWorld, database: Database, point: str) -> None:
    for skip in range(effort(1, 3)):
        with killed_at(point, skip):
            world.forget()
    assert world.forget().complete
    assert not WANTED.in_bytes(database.dump().encode())
    assert {path.partition("/")[0] for path in database.holding(WANTED)} <= {"pg_wal"}
    rows = [row.action for row in history(world.control) if row.action.startswith("forget")]
    (record,) = records(world.storage)
    assert len(record.proofs()) == rows.count("forget.begin") == rows.count("forget.done")
    assert chained(world.control, record)
    assert not record.under_way


def test_every_table_that_may_quote_a_row_is_gone_through() -> None:
    """All but the audit chain that have JSON or a text of any length."""
    assert {table.name for table in metadata.sorted_tables} - {table.name for table in quoting()} == {
        "slipstream_fences", "slipstream_schema", "slipstream_audit",
    }  # fmt: skip
    assert Subject.of(Fingerprint(b"k"), {"customer": WHO}).owns(WHO)
