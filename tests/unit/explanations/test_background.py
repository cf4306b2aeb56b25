from __future__ import annotations

from pathlib import Path

from include.explanations.background import FILE, drawn, read_background, write_background
from tests.support.explained import encoder, rows


def test_the_rows_are_drawn_once_and_hold_inputs_alone(tmp_path: Path) -> None:
    table = rows(500)
    ours = encoder(table)
    written = write_background(table, ours, 20, 3, tmp_path / FILE)
    again = write_background(table, ours, 20, 3, tmp_path / "again.parquet")
    assert written.column_names == ["wind", "hour", "carrier", "place"]
    assert written.num_rows == 20
    assert written.equals(again)
    assert read_background(tmp_path / FILE).equals(written)
    assert set(written["wind"].to_pylist()) <= set(table["wind"].to_pylist())


def test_few_rows_are_all_taken() -> None:
    assert drawn(5, 20, 1).tolist() == [0, 1, 2, 3, 4]
    assert len(set(drawn(100, 20, 1).tolist())) == 20
