"""The number of a store, and what this code says to it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, metadata
from include.core.errors import NotReadyError, PermanentError, TransientError
from include.core.schema import BASELINE, HEAD, TABLE, revision
from include.core.schema.state import create, refusal, stored, stored_in


def test_an_empty_database_has_none_one_without_a_number_is_the_baseline_and_a_new_store_is_at_the_head(url: str) -> None:
    control = ControlStore(url)
    assert stored(control.engine) is None
    control.create_tables()
    assert stored(control.engine) == HEAD
    with control.transaction() as connection:
        assert stored_in(connection) == HEAD
        connection.execute(sa.text(f"DROP TABLE {TABLE}"))
        assert stored_in(connection) == BASELINE
    assert stored(control.engine) == BASELINE


def test_who_comes_second_finds_the_tables_made(url: str) -> None:
    control = ControlStore(url)
    for _ in range(2):
        with control.transaction() as connection:
            create(connection, metadata)
    with control.transaction() as connection:
        assert list(connection.execute(sa.text(f"SELECT version_num FROM {TABLE}")).scalars()) == [revision(HEAD)]


def test_an_older_store_is_waited_for_and_a_newer_one_is_not() -> None:
    url = "postgresql://me:hunter2@h/x"
    assert refusal(url, HEAD) is None
    older, newer = refusal(url, HEAD - 1), refusal(url, HEAD + 1)
    assert isinstance(older, NotReadyError)
    assert isinstance(older, TransientError)  # a task tries again, and goes on once somebody has upgraded
    assert isinstance(newer, PermanentError)
    for told in (older, newer):
        assert "hunter2" not in str(told)


@pytest.mark.parametrize("held", ["DEFERRED", "IMMEDIATE"])
def test_a_store_that_somebody_writes_is_asked_without_waiting(tmp_path: object, held: str) -> None:
    control = ControlStore(f"sqlite:///{tmp_path}/control.db")
    control.create_tables()
    with control.engine.raw_connection() as writer:  # type: ignore[attr-defined]
        writer.cursor().execute(f"BEGIN {held}")
        assert stored(control.engine) == HEAD


def test_who_looks_while_a_new_store_is_made_takes_it_for_no_older_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Committing:
        """Both tables are committed by another process between the first question and the second."""

        asked = 0

        def has_table(self, _: str) -> bool:
            self.asked += 1
            return self.asked > 1

    with ControlStore(url).transaction() as connection:
        monkeypatch.setattr("include.core.schema.state.sa.inspect", lambda _: Committing())
        assert stored_in(connection) is None
