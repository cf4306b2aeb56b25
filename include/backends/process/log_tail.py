"""The last lines of a log of any size, in memory for those lines alone."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path

ROOM = 64 << 10  # bytes kept of a log's end: 30 lines of 2,000 characters, or half of one long line


def last_bytes(chunks: Iterable[bytes], room: int = ROOM) -> tuple[bytes, bool]:
    """The end of a stream, and whether anything before it was left out. Holds `room` bytes and one chunk."""
    kept: deque[bytes] = deque()
    size, cut = 0, False
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        while size - len(kept[0]) >= room:
            size -= len(kept.popleft())
            cut = True
    data = b"".join(kept)
    return data[-room:], cut or len(data) > room


def last_lines(text: str, lines: int) -> str:
    """The last lines of a text, without the empty end of the log."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def of_file(path: Path, lines: int) -> str:
    """The last lines of a file. Empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - ROOM))
            return last_lines(file.read().decode(errors="replace"), lines)
    except FileNotFoundError:
        return ""


def of_json_field(chunks: Iterable[bytes], field: str) -> str:
    """The end of a JSON answer's one long text, such as `{"logs": "..."}`. Raises ValueError if it is no such answer."""
    data, cut = last_bytes(chunks)
    if not cut:
        body = json.loads(data)
        if not isinstance(body, dict):
            raise ValueError(f"no JSON object: {data[:80]!r}")
        return str(body.get(field) or "")
    end = re.fullmatch(rb'(.*)"\s*\}\s*', data, re.DOTALL)
    if end is None:
        raise ValueError(f"an answer that ends in {data[-40:]!r}")
    text = json.loads('"' + _from_a_whole_character(end[1]).decode(errors="replace") + '"')
    return str(text).encode(errors="replace").decode()  # half of a pair of surrogates may stand at the cut


def _from_a_whole_character(text: bytes) -> bytes:
    """JSON text that was cut anywhere, from its first whole line on; of a longer line from the first byte outside an escape.

    How many backslashes stood before the cut is unknown: the byte after them is taken for a plain one, and what follows
    is read escape by escape.
    """
    line = re.match(rb"\\*[^\\](?:[^\\]|\\.)*?\\n", text, re.DOTALL)
    start = line or re.match(rb"\\*[^\\]?", text, re.DOTALL)
    return text[start.end() :] if start else text
