from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import DataError
from include.versions.lifecycle import Stage, move_in
from include.versions.queries import champion, models_in, records, references, standings_in, stored, stored_in
from include.versions.record import Gate, VersionRecord
from include.versions.store import add_in, rewrite_in
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, record


def of(number: int) -> VersionRecord:
    """A version of its own: each was trained anew."""
    made = record(number, f"1.{number}.0")
    lineage = replace(made.entry.lineage, train=replace(made.entry.lineage.train, digest=str(number) * 64))
    return replace(made, entry=replace(made.entry, lineage=lineage))


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = empty_control(tmp_path)
    with store.transaction() as connection:
        for number in (1, 2):
            add_in(connection, of(number))
        move_in(connection, MODEL, 2, Stage.PRODUCTION)
    return store


def test_the_column_says_the_stage_whatever_the_record_says(control: ControlStore) -> None:
    assert [(each.version, each.stage) for each in records(control, MODEL)] == [(1, Stage.CANDIDATE), (2, Stage.PRODUCTION)]
    with control.transaction() as connection:
        rewrite_in(connection, replace(of(2), entry=replace(of(2).entry, gate=Gate(False, ("slow",)))))
    now = champion(records(control, MODEL))
    assert now is not None
    assert (now.version, now.stage, now.entry.gate.reasons) == (2, Stage.PRODUCTION, ("slow",))


def test_where_each_version_stands(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert [each.version for each in standings_in(connection)] == [1, 2]
        assert [each.version for each in standings_in(connection, stage=Stage.CANDIDATE)] == [1]
        assert standings_in(connection, model="nobody") == []
        assert models_in(connection) == {MODEL}


def test_records_as_they_are_stored(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert list(stored_in(connection, MODEL)) == [1, 2]
    assert stored(control, MODEL, 1)["semver"] == "1.1.0"
    with pytest.raises(DataError, match="no registered version 9"):
        stored(control, MODEL, 9)


def test_every_result_that_a_version_names(control: ControlStore) -> None:
    found = [(version, name) for _, version, name, _ in references(control)]
    assert found == [(number, name) for number in (1, 2) for name in ("train", "training_set", "evaluation")]
