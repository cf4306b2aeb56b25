"""What one database took another may refuse: it is named, and nothing is restored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from include.backup.lines import read_lines, write_lines
from include.backup.load import LARGEST, _checked, _raise_fences, load, what_is_there
from include.core.control import FLOOR, ControlStore, metadata
from include.core.errors import DataError, PermanentError
from include.core.schema import HEAD
from tests.support.stores import empty_control

TABLE = metadata.tables["slipstream_documents"]
POSTGRES: Any = SimpleNamespace(dialect=SimpleNamespace(name="postgresql"))
SQLITE: Any = SimpleNamespace(dialect=SimpleNamespace(name="sqlite"))


def row(**changes: Any) -> dict[str, Any]:
    return {"key": "k", "kind": "note", "subject": "toy", "body": {"x": 1}, "at": "now", **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subject": "a\x00b"}, "subject holds a NUL character"),
        ({"kind": "x" * 33}, "kind has 33 characters, and 32 is the most"),
        ({"body": {"list": [float("nan")]}}, "body holds a number that JSON has not"),
    ],
)
def test_what_postgresql_refuses_is_named_before(changes: dict[str, Any], words: str) -> None:
    assert _checked(SQLITE, TABLE, row(**changes))
    with pytest.raises(DataError, match=words) as error:
        _checked(POSTGRES, TABLE, row(**changes))
    assert error.value.seen == ["k"]


def test_what_both_take_is_left_as_it_is(tmp_path: Path) -> None:
    odd = row(
        body={"text": "Zo\u00eb \u2028 \U0001f600 \x00", "number": 1.5e-300, "big": 2**60, "none": [None, True]}, at="x" * 40
    )
    assert write_lines(tmp_path / "rows", [odd]) == 1
    (read,) = read_lines(tmp_path / "rows")
    assert read == odd
    assert _checked(POSTGRES, TABLE, read) == odd
    before = (tmp_path / "rows").read_bytes()
    write_lines(tmp_path / "rows", [odd])
    assert (tmp_path / "rows").read_bytes() == before


def test_fences_go_above_all_that_were_given_out_and_never_beyond_a_column(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    for _ in range(3):
        control.take("a", "t")
    control.take("b", "t")
    with control.transaction() as connection:
        _raise_fences(connection)
    assert control.take("a", "t") == control.take("b", "t") == control.take("new", "t") == 1_000_004
    fences = metadata.tables["slipstream_fences"]
    with control.transaction() as connection:
        assert connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == FLOOR)).scalar() == 1_000_003
        connection.execute(fences.update().where(fences.c.resource == "a").values(epoch=LARGEST - 5))
    with pytest.raises(PermanentError, match="restored too often"), control.transaction() as connection:
        _raise_fences(connection)


def test_an_empty_database_and_empty_tables_hold_nothing(tmp_path: Path) -> None:
    control = ControlStore(f"sqlite:///{tmp_path}/x.db")
    with control.transaction() as connection:
        assert what_is_there(connection) == {}
    control.create_tables()
    with control.transaction() as connection:
        assert what_is_there(connection) == {}
    control.take("a", "t")
    with control.transaction() as connection:
        assert what_is_there(connection) == {"fences": 1}


def test_what_fails_at_the_end_leaves_an_empty_database(tmp_path: Path) -> None:
    control = ControlStore(f"sqlite:///{tmp_path}/x.db")
    write_lines(tmp_path / "rows", [row()])

    def fails(connection: sa.Connection) -> None:
        assert what_is_there(connection)["documents"] == 1
        raise RuntimeError("at the end")

    with pytest.raises(RuntimeError):
        load(control, HEAD, {"slipstream_documents": tmp_path / "rows"}, fails)
    assert sa.inspect(control.engine).get_table_names() == []
