"""A table as text: what the command, `make status` and the demonstration print."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # values come from data: a terminal would obey these
GAP = "  "  # between two columns
NARROWEST = 12  # characters that a column of text keeps, however narrow the screen
PAGE = 100  # columns of a page that nobody said the width of
MORE = "…"  # what stands for the rest of a cell that was cut


def table(head: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> str:
    """A header and rows, each column as wide as its widest cell. Numbers to the right.

    `width`: columns that it may take; the long cells of a wider one go on in the lines below. By default those of the terminal
    it is printed on; where that is none, a file or a pipe, a row is one line, however long.
    """
    body = _cells(rows)
    widths = _fitted(head, body, _screen() if width is None else width)
    numeric = _numeric(head, body)
    lines = [part for row in [list(head), *body] for part in _wrapped(row, widths)]
    return "\n".join(_line(line, widths, numeric) for line in lines)


def cut_table(head: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> tuple[str, bool]:
    """The same with one line a row: the long cells are cut. By default it fits the terminal, and PAGE columns where there is
    none. And whether anything was cut."""
    body = _cells(rows)
    widths = _fitted(head, body, (_screen() or PAGE) if width is None else width)
    short = [[_cut(cell, most) for cell, most in zip(row, widths, strict=True)] for row in body]
    lines = [[_cut(name, most) for name, most in zip(head, widths, strict=True)], *short]
    numeric = _numeric(head, body)
    return "\n".join(_line(line, widths, numeric) for line in lines), short != body


def _screen() -> int:
    """Columns of the terminal; 0 where the output is none."""
    return shutil.get_terminal_size((PAGE, 24)).columns if sys.stdout.isatty() else 0


def _cells(rows: Iterable[Sequence[object]]) -> list[list[str]]:
    return [[_CONTROL.sub(_spelt, _text(cell)) for cell in row] for row in rows]


def _fitted(head: Sequence[str], body: Sequence[Sequence[str]], width: int) -> list[int]:
    """Each column's width. Where they do not fit, the widest gives way first; a width of 0 is none."""
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    over = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while width and over > 0 and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
        over -= 1
    return widths


def _wrapped(row: Sequence[str], widths: Sequence[int]) -> list[list[str]]:
    """A row as the lines that it takes."""
    parts = [_parts(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = max(map(len, parts))
    return [[part[line] if line < len(part) else "" for part in parts] for line in range(lines)]


def _parts(cell: str, width: int) -> list[str]:
    return [cell] if len(cell) <= width else textwrap.wrap(cell, width, break_on_hyphens=False)


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: max(width - len(MORE), 0)].rstrip() + MORE


def _numeric(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[bool]:
    return [all(_is_number(row[place]) for row in body) for place in range(len(head))] if body else [False] * len(head)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    aligned = (
        cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return GAP.join(aligned).rstrip()


def _text(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:.4f}" if isinstance(cell, float) else " ".join(str(cell).splitlines())


def _spelt(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(".", "", 1).replace("-", "", 1).isdigit()
