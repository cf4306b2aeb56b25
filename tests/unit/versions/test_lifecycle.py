"""One state machine for a version's stage: what it allows, and that nobody writes stages beside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from include.core.control import ControlStore, versions
from include.core.digest import PROJECT
from include.core.errors import ConflictError, DataError
from include.core.time import timestamp
from include.versions.lifecycle import MOVES, Stage, allowed, at_stage, move_in, set_production, stage_in
from tests.support.sources import files, nodes


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    with store.transaction() as connection:
        for number, stage in enumerate(Stage, 1):
            row = {
                "key": f"k{number}",
                "model": "toy",
                "version": number,
                "semver": f"1.{number}.0",
                "record": {},
                "at": timestamp(),
            }
            connection.execute(versions.insert().values(stage=str(stage), **row))
    return store


@pytest.mark.parametrize("current", Stage)
@pytest.mark.parametrize("wanted", Stage)
def test_a_version_moves_only_where_its_life_allows(control: ControlStore, current: Stage, wanted: Stage) -> None:
    number = list(Stage).index(current) + 1
    with control.transaction() as connection:
        if allowed(current, wanted):
            assert move_in(connection, "toy", number, wanted) is current
            assert stage_in(connection, "toy", number) is wanted
        else:
            with pytest.raises(ConflictError, match=f"cannot go from {current} to {wanted}"):
                move_in(connection, "toy", number, wanted)
            assert stage_in(connection, "toy", number) is current


def test_every_stage_can_be_left() -> None:
    assert set(MOVES) == set(Stage)
    assert all(MOVES.values())


def test_of_a_model_one_version_is_in_production(control: ControlStore) -> None:
    with control.transaction() as connection:
        for number in (2, 4):
            set_production(connection, "toy", number)
            assert at_stage(connection, "toy", Stage.PRODUCTION) == [number]
        with pytest.raises(ConflictError):
            set_production(connection, "toy", 1)  # from Staging
        with pytest.raises(DataError, match="no registered version 9"):
            set_production(connection, "toy", 9)


def test_no_stage_is_written_as_text_elsewhere() -> None:
    names, found = {str(stage) for stage in Stage}, []
    for path in files("include", "operators", "plugins", "dags"):
        if path == PROJECT / "include/versions/lifecycle.py":
            continue
        texts = (node for node in nodes(path) if isinstance(node, ast.Constant))
        found += [f"{path.relative_to(PROJECT)}:{node.lineno}" for node in texts if node.value in names]
    assert found == []
