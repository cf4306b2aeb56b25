from __future__ import annotations

from include.core.errors import DataError
from include.core.table import table


def test_a_cell_of_several_lines_stays_in_its_row() -> None:
    text = table(("part", "state"), [("ray", DataError("Away.", seen="x", hint="start it")), ("s3", "a\nb\r\nc")])
    assert text.splitlines() == ["part  state", "ray   Away. Seen: 'x'. Next: start it", "s3    a b c"]
