"""A table as text: what the command, `make status` and the demonstration print."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # values come from data: a terminal would obey these


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows, each column as wide as its widest cell. Numbers to the right."""
    body = [[_CONTROL.sub(_spelt, _text(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    numeric = [all(_is_number(row[place]) for row in body) for place in range(len(head))] if body else [False] * len(head)
    lines = [list(head), *body]
    return "\n".join(_line(line, widths, numeric) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    aligned = (
        cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(aligned).rstrip()


def _text(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:.4f}" if isinstance(cell, float) else " ".join(str(cell).splitlines())


def _spelt(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(".", "", 1).replace("-", "", 1).isdigit()
