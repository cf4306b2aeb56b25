from __future__ import annotations

import pytest

from include.core.errors import DataError
from include.core.table import PAGE, cut_table, table


def test_a_cell_of_several_lines_stays_in_its_row() -> None:
    text = table(("part", "state"), [("ray", DataError("Away.", seen="x", hint="start it")), ("s3", "a\nb\r\nc")])
    assert text.splitlines() == ["part  state", "ray   Away. Seen: 'x'. Next: start it", "s3    a b c"]


ROWS = [("1", "Staging", "closed: " + "a reason that is long " * 12, 0.5), ("12", "Production", "passed", 0.25)]
HEAD = ("version", "stage", "gate", "auc")


def test_a_table_that_is_too_wide_goes_on_below_and_loses_nothing() -> None:
    text = table(HEAD, ROWS, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert " ".join(text.split()).count("reason that") + text.count("reason\n") >= 1
    assert sorted("".join(text.split())) == sorted("".join(table(HEAD, ROWS, width=0).split()))


def test_without_a_terminal_a_row_is_one_line() -> None:
    assert len(table(HEAD, ROWS).splitlines()) == 3


def test_on_a_terminal_a_table_has_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "72")
    assert max(map(len, table(HEAD, ROWS).splitlines())) <= 72
    assert max(map(len, cut_table(HEAD, ROWS)[0].splitlines())) <= 72


def test_a_cut_table_has_one_line_a_row_and_says_whether_it_was_cut() -> None:
    text, cut = cut_table(HEAD, ROWS)
    lines = text.splitlines()
    assert cut
    assert len(lines) == 3
    assert max(map(len, lines)) <= PAGE
    assert "closed: a reason" in lines[1]
    assert "…" in lines[1]
    assert lines[2].endswith("0.2500")
    assert cut_table(HEAD, ROWS[1:])[1] is False


def test_a_path_without_a_space_is_broken_rather_than_lost() -> None:
    path = "file:///a/" + "folder/" * 20
    assert path in "".join(line.strip() for line in table(("file",), [(path,)], width=40).splitlines()[1:])


@pytest.mark.parametrize("width", [1, 13, 30])
def test_a_screen_that_is_narrower_than_its_columns_ends_nothing(width: int) -> None:
    assert table(HEAD, ROWS, width=width)
    assert cut_table(HEAD, ROWS, width=width)[0]
