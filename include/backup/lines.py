"""Rows in a compressed file, one JSON value a line. The same rows give the same bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def write_lines(path: Path, rows: Iterable[Any]) -> int:
    """Write them; returns how many there were."""
    count = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
            count += 1
    return count


def read_lines(path: Path) -> Iterator[Any]:
    """What was written."""
    with gzip.open(path, "rb") as file:
        for line in file:
            yield json.loads(line.decode("utf-8", "surrogatepass"))
