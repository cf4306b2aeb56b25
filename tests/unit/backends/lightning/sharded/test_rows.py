"""Rows of weights in blobs: read again by any number of workers; a blob that is gone or damaged is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.backends.lightning.plan import Place
from include.core.errors import IntegrityError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from tests.support.later import Later

pytestmark = pytest.mark.lives

rows, torch = Later("include.backends.lightning.sharded.rows"), Later("torch")


def saved(store: CheckpointStore, world: int, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two weights as `world` workers write them, in blobs of two rows."""
    monkeypatch.setattr("include.backends.lightning.sharded.rows.PIECE_BYTES", 40)
    weights = {"a": torch.rand(10, 5), "b": torch.rand(3)}
    records = []
    for rank in range(world):
        place = Place(rank, world)
        mine = [
            rows.Rows("weight", name, first, value[first : first + 1])
            for name, value in weights.items()
            for first in range(*rows.rows_of(len(value), place).indices(len(value)))
        ]
        records += rows.save_rows(store, 7, place, mine)
    return weights, {"step": 7, "shards": records}


def read(store: CheckpointStore, state: dict[str, Any], world: int) -> dict[str, Any]:
    """All rows, each worker its own."""
    found: dict[str, list[Any]] = {"a": [], "b": []}
    for rank in range(world):
        filled, mine = rows.Filled(), {}
        for name, shape in (("a", (10, 5)), ("b", (3,))):
            part = rows.rows_of(shape[0], Place(rank, world))
            mine[name] = torch.zeros(part.stop - part.start, *shape[1:])
            filled.want("weight", name, part.start, mine[name])
        filled.read(store, state)
        for name, value in mine.items():
            found[name].append(value)
    return {name: torch.cat(values) for name, values in found.items()}


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 3), (4, 1), (3, 12)])
def test_rows_are_read_by_another_number_of_workers(
    before: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CheckpointStore(LocalStorage(tmp_path), "c")
    weights, state = saved(store, before, monkeypatch)
    assert len(state["shards"]) > before, "a worker's rows are several blobs"
    found = read(store, state, after)
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert all(rows.whole(store, state, Place(rank, after)) for rank in range(after))


@pytest.mark.parametrize("how", ["gone", "flipped", "torn"])
def test_a_blob_that_is_not_as_it_was_written_is_noticed(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointStore(LocalStorage(tmp_path), "c")
    _, state = saved(store, 2, monkeypatch)
    path = sorted((tmp_path / "c").glob("shard-*"))[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(content if how == "flipped" else content[:50])
    assert [rows.whole(store, state, Place(rank, 2)) for rank in range(2)].count(False) == 1
    with pytest.raises(IntegrityError, match="damaged"):
        read(store, state, 1)


def test_rows_that_no_blob_has_are_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointStore(LocalStorage(tmp_path), "c")
    _, state = saved(store, 2, monkeypatch)
    state["shards"].pop()
    with pytest.raises(IntegrityError, match="lacks rows"):
        read(store, state, 1)
