"""One pass over the rows of the audit chain: each against its own hash, its number, and the row before it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from include.core.control import audit_hash
from include.core.digest import digest_bytes
from include.governance.audit_rows import Row
from include.governance.seals import ACTION, named_in

FIRST = "0" * 64


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written. `id` names the place and what is there now: `row:17/1f3c0a2b`, `seal:3`.

    `row` is the first row that it puts in doubt; 0 where it is about no row.
    """

    id: str
    what: str
    row: int = 0


def hash_of(row: Row) -> str:
    """What the row's hash should be; empty where its columns hold what never was written there."""
    try:
        return audit_hash(row)
    except (ValueError, TypeError, RecursionError):
        return ""


@dataclass
class Walk:
    """The rows so far. `seq` and `hash` are of the last one in its place."""

    wanted: set[int]  # the rows that a seal or an anchor names
    rows: int = 0
    seq: int = 0
    hash: str = FIRST
    findings: list[Finding] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)  # of the wanted rows
    named: dict[int, tuple[int, str]] = field(default_factory=dict)  # seals that the table names: (row, digest)
    _doubted: dict[str, int] = field(default_factory=dict)  # the hash of a row that its successor does not know: its finding

    def take(self, row: Row) -> None:
        seq, there = int(row["seq"]), hash_of(row)
        if (before := self._doubted.pop(str(row["previous"]), None)) is not None:
            # Another row knows it: it is as it was, and what stands behind it is not.
            self.findings[before] = replace(self.findings[before], row=self.findings[before].row + 1)
        if problem := self._problem(row, seq, there):
            text = f"{row['action']} of {row['subject']} by {row['actor']} at {str(row['at'])[:19]}"
            mark = there or digest_bytes(repr(dict(row)).encode(errors="replace"))
            self.findings.append(Finding(f"row:{seq}/{mark[:8]}", f"{problem[0]} ({text})", problem[1]))
        self.rows += 1
        if seq <= self.seq:
            return  # it is out of its place: what comes next is compared with the row that was in its own
        self.seq, self.hash = seq, str(row["hash"])
        if seq in self.wanted:
            self.hashes[seq] = self.hash
        if row["action"] == ACTION and (number := named_in(row["detail"])):
            self.named[number] = (seq, str(row["detail"].get("digest")))

    def _problem(self, row: Row, seq: int, there: str) -> tuple[str, int] | None:
        """What is wrong with it, and the first row that is in doubt."""
        due = self.seq + 1
        if seq < due:
            return f"it stands where row {due} belongs", due
        if seq > due:
            gone = f"row {due} is" if seq == due + 1 else f"rows {due} to {seq - 1} are"
            return f"{gone} gone before it", due
        if row["hash"] != there:
            return "it was changed after it was written", seq
        if row["previous"] == self.hash:
            return None
        if self.seq:
            self._doubted[self.hash] = len(self.findings)
        return "the row before it was changed, or put in its place", max(self.seq, 1)
