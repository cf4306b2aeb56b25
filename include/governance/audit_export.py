"""The audit chain as one file that anybody can verify without our stores: its rows and its seals, in lines of JSON.

    {"audit": 1, "at": ...}                       the first line
    {"seal": 1, "data": "..."}                    each seal, its file's bytes as text
    {"row": {"seq", "at", "actor", ...}}          each row, oldest first, with `previous` and `hash`
    {"end": {"rows": 17, "hash": "..."}}          the last line: a file that was cut off lacks it

Whoever keeps a copy elsewhere holds what its rows were: a chain that is written anew later does not begin with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from include.core.control import ControlStore, audit
from include.core.errors import DataError, InputError
from include.core.storage import Storage
from include.core.time import timestamp
from include.governance.anchors import Anchored
from include.governance.audit_chain import Verdict, judge
from include.governance.audit_rows import rows
from include.governance.seals import path_of, read_seals, stored_seal

FORM = 1
COLUMNS = set(audit.c.keys())


def export(control: ControlStore, storage: Storage, path: Path) -> int:
    """Write the file, whole or not at all. Returns the number of rows. Raises InputError: no file is replaced."""
    if path.exists() or not path.parent.is_dir():
        why = "is there already" if path.exists() else "is in a folder that is not there"
        raise InputError(f"{path} {why}.", safe="nothing was written.", hint="name a new file.")
    draft = path.with_name(f".{path.name}.part")
    count = 0
    with draft.open("w") as file:
        for line in _lines(control, storage):
            count += "row" in line
            file.write(json.dumps(line, sort_keys=True) + "\n")
    try:
        path.hardlink_to(draft)
    finally:
        draft.unlink()
    return count


def _lines(control: ControlStore, storage: Storage) -> Iterator[dict[str, Any]]:
    yield {"audit": FORM, "at": timestamp()}
    for stored in read_seals(storage):  # before the rows: each is of rows that are there
        yield {"seal": stored.number, "data": storage.read(path_of(stored.number)).decode(errors="replace")}
    number, newest = 0, ""
    for row in rows(control):
        yield {"row": {**row}}
        number, newest = number + 1, row["hash"]
    yield {"end": {"rows": number, "hash": newest}}


def verify_file(path: Path, anchored: Anchored | None = None) -> Verdict:
    """What the rows and the seals of an exported file say of each other, and the anchors of them. Raises DataError for what is no
    such file, whole."""
    seals = [stored_seal(int(line["seal"]), str(line["data"]).encode()) for line in _read(path) if "seal" in line]
    chain = _Chain(path)
    verdict = judge(chain, seals, anchored=anchored)
    if chain.end is None:
        raise _not_whole(path, "it was cut off", f"{verdict.rows} rows")
    if verdict.intact and chain.end != {"rows": verdict.rows, "hash": chain.newest}:
        raise _not_whole(path, "its last line is of other rows", chain.end)
    return verdict


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of an exported file, oldest first. Raises DataError as `verify_file` does."""
    return iter(_Chain(path))


class _Chain:
    """The rows of a file, and once they are read, what its last line says of them."""

    def __init__(self, path: Path) -> None:
        self.path, self.newest = path, ""
        self.end: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in _read(self.path):
            if row := line.get("row"):
                if not isinstance(row, dict) or set(row) != COLUMNS or not isinstance(row["seq"], int):
                    raise _not_whole(self.path, f"what follows row {self.newest[:8] or 0} is no row", str(row)[:80])
                self.newest = str(row["hash"])
                yield row
            self.end = line.get("end", self.end)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        for number, text in enumerate(file, start=1):
            try:
                line = json.loads(text)
            except ValueError:
                raise _not_whole(path, f"line {number} is no JSON", text[:80]) from None
            if not isinstance(line, dict) or (number == 1 and line.get("audit") != FORM):
                raise _not_whole(path, f"line {number} is none of one", text[:80])
            yield line


def _not_whole(path: Path, why: str, seen: object) -> DataError:
    return DataError(
        f"{path} is no whole export of an audit chain: {why}.",
        seen=seen,
        safe="nothing was changed.",
        hint="export it again: slipstream audit export FILE.",
    )
