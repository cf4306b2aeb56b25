"""Pages of docs/ whose tables are what a bench measured: a block between two marks is written anew, and nothing else.

<!-- measured: policy judge -->
...
<!-- measured -->
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MEASURED = PROJECT / "docs" / "monitoring" / "measured.md"
END = "<!-- measured -->"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table; numbers as they are told everywhere else in docs/: .05, not 0.050."""
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *_rows(rows)]


def _rows(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    for row in rows:
        yield "| " + " | ".join(cell if isinstance(cell, str) else figure(cell) for cell in row) + " |"


def figure(value: object, places: int = 3) -> str:
    """An integer as it is, an unknown number as a dash."""
    if not isinstance(value, float):
        return str(value)
    if value != value:
        return "–"
    text = f"{value:.{places}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def write(block: str, lines: Iterable[str], page: Path = MEASURED) -> None:
    """Raises ValueError where the page has no such block."""
    begin, text = f"<!-- measured: {block} -->", page.read_text()
    told = f"Measured on {datetime.now(UTC):%d %B %Y}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    body = "\n".join([begin, "", told, "", *lines, "", END])
    found, count = re.subn(f"{re.escape(begin)}.*?{re.escape(END)}", lambda _: body, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{page} has {count} blocks {block!r}")
    page.write_text(found)
