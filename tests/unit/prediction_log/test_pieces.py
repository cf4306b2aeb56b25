"""Which bytes of which pieces count, whatever pieces there are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from include.core.machine import first_id
from include.core.storage import LocalStorage
from include.prediction_log.pieces import (
    Piece,
    chunk_path,
    covered,
    day_path,
    gateway_of,
    parts,
    reached,
    shipped,
    shipped_models,
    source_of,
)
from tests.support.effort import effort

SOURCE = "20260101-000000-7-0123456789abcdef"


def piece(start: int, end: int, revision: int = 0, source: str = SOURCE, days: str = "") -> Piece:
    path = chunk_path("toy", source, start, end, revision)
    if days:
        path = day_path("toy", source, start, end, days, days, revision)
    return Piece(path, source, start, end, revision, days, days)


def read(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(part.after, part.piece.end) for part in parts(pieces)]


def test_names_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    made = [piece(0, 10), piece(10, 25, 2), piece(0, 25, days="2026-01-01"), piece(25, 30, 1, days="2026-01-02")]
    for each in made:
        storage.write(each.path, b"")
    storage.write(f"predictions/toy/chunks/{SOURCE}/notes.txt", b"")
    storage.write("predictions/other/chunks/x/0-1.jsonl", b"")
    storage.write("predictions/_redactions/third/x.json", b"")
    assert set(shipped(storage, "toy")) == set(made)
    assert set(shipped(storage, "toy", SOURCE)) == set(made)
    assert shipped(storage, "toy", SOURCE[:-1]) == []
    assert shipped_models(storage) == ["other", "toy"]
    assert piece(0, 10).revised() == piece(0, 10, 1).path
    assert piece(0, 10, 3, days="2026-01-01").revised() == piece(0, 10, 4, days="2026-01-01").path


def test_each_byte_counts_once() -> None:
    assert read([piece(0, 10), piece(10, 30)]) == [(0, 10), (10, 30)]
    assert read([piece(0, 10), piece(0, 25), piece(10, 20)]) == [(0, 25)]
    assert read([piece(0, 10), piece(5, 25), piece(20, 30)]) == [(0, 10), (10, 25), (25, 30)]
    assert read([piece(0, 10), piece(20, 30)]) == [(0, 10), (20, 30)]  # a gap is passed over
    assert read([piece(0, 5, source="b"), piece(0, 7, source="a")]) == [(0, 7), (0, 5)]


def test_the_latest_revision_counts_and_a_compacted_file_before_its_chunks() -> None:
    old, new, day = piece(0, 10), piece(0, 10, 1), piece(0, 10, days="2026-01-01")
    assert [part.piece for part in parts([old, new])] == [new]
    assert [part.piece for part in parts([old, day])] == [day]
    assert set(covered([old, new, day])) == {old, day}


@pytest.mark.parametrize("seed", range(effort(20, 500)))
def test_any_pieces_give_every_byte_that_one_of_them_holds_and_none_twice(seed: int) -> None:
    draw = random.Random(seed)
    pieces = []
    for _ in range(draw.randint(1, 12)):
        start = draw.randint(0, 30)
        pieces.append(piece(start, start + draw.randint(1, 12), draw.randint(0, 2), days=draw.choice(["", "2026-01-01"])))
    held = sorted({byte for each in pieces for byte in range(each.start, each.end)})
    plan = list(parts(pieces))
    assert [byte for part in plan for byte in range(part.after, part.piece.end)] == held
    assert all(part.after >= part.piece.start for part in plan)
    left = [each for each in pieces if each not in covered(pieces)]
    assert read(left) == read(pieces)
    whole = reached(pieces)
    assert set(range(whole)) <= set(held)
    assert whole not in held


def test_a_segment_of_an_earlier_release_is_known_by_the_first_number_of_its_home(tmp_path: Path) -> None:
    mine = first_id(tmp_path)
    assert source_of(tmp_path, SOURCE) == SOURCE
    assert source_of(tmp_path, f"{SOURCE}-0001") == f"{SOURCE}-0001"
    assert source_of(tmp_path, "20260101-000000-7") == f"20260101-000000-7-{mine}"
    assert source_of(tmp_path, "20260101-000000-7-0001") == f"20260101-000000-7-{mine}-0001"
    assert gateway_of(SOURCE) == gateway_of(f"{SOURCE}-0001") == "0123456789abcdef"
    assert gateway_of("something else") == ""
