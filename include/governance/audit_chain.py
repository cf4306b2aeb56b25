"""Verifying the audit chain: row after row, and against its seals, in the stores or in a copy. It reads, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, audit, audit_hash
from include.core.errors import IntegrityError
from include.core.request import Json
from include.core.storage import Storage
from include.governance.seals import ACTION, Seal, Stored, named_in, path_of, read_seals

PAGE = 5000  # rows read in one transaction: on SQLite nobody can write while one is open
FIRST = "0" * 64
SHOWN = 10

Row = Mapping[str, Any] | sa.RowMapping


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written. `id` names the place and what is there now: `row:17/1f3c0a2b`, `seal:3`."""

    id: str
    what: str


@dataclass(frozen=True)
class Verdict:
    """What the table and the seals say of each other."""

    rows: int
    findings: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, Seal], ...]  # found too, and accepted by a person in that seal
    seals: int
    sealed: int  # the last row that a seal vouches for
    sealed_at: str
    unsealed: int  # rows after it

    @property
    def intact(self) -> bool:
        return not self.findings

    @property
    def words(self) -> str:
        if not self.seals:
            return f"{self.rows} rows, none of them sealed yet."
        newest = f"the newest of row {self.sealed} ({self.sealed_at[:19]})"
        return f"{self.rows} rows; {self.seals} seals, {newest}; {self.unsealed} rows after it."

    def raise_if_broken(self) -> None:
        """Raises IntegrityError that names the first places."""
        if self.intact:
            return
        more = f"\n... and {len(self.findings) - SHOWN} more" if len(self.findings) > SHOWN else ""
        text = "\n".join(f"{each.id}: {each.what}" for each in self.findings[:SHOWN])
        raise IntegrityError(
            f"The audit chain is not as it was written, at {len(self.findings)} places:\n{text}{more}\n",
            seen=self.words,
            safe="nothing was changed by looking; the rows up to the newest seal that agrees are as they were written.",
            hint="keep the store and the seals as they are, compare them with a backup, and find out who had access. If the "
            "reason is known, such as a restored backup: slipstream audit accept --reason ...",
        )


@dataclass
class _Walk:
    """The rows so far."""

    rows: int = 0
    seq: int = 0
    hash: str = FIRST
    findings: list[Finding] = field(default_factory=list)
    sealed: dict[int, str] = field(default_factory=dict)  # the hashes of the rows that a seal names
    named: dict[int, tuple[int, str]] = field(default_factory=dict)  # seals that the table names: (row, digest)

    def take(self, row: Row, wanted: set[int]) -> None:
        seq = int(row["seq"])
        if problem := self._problem(row):
            text = f"{row['action']} of {row['subject']} by {row['actor']} at {row['at'][:19]}"
            self.findings.append(Finding(f"row:{seq}/{audit_hash(row)[:8]}", f"{problem} ({text})"))
        self.rows, self.seq, self.hash = self.rows + 1, seq, row["hash"]
        if seq in wanted:
            self.sealed[seq] = row["hash"]
        if row["action"] == ACTION and (number := named_in(row["detail"])):
            self.named[number] = (seq, str(row["detail"].get("digest")))

    def _problem(self, row: Row) -> str:
        seq = int(row["seq"])
        if seq != self.seq + 1:
            gone = f"row {self.seq + 1} is" if seq == self.seq + 2 else f"rows {self.seq + 1} to {seq - 1} are"
            return f"{gone} gone before it"
        if row["hash"] != audit_hash(row):
            return "it was changed after it was written"
        return "" if row["previous"] == self.hash else "the row before it was changed, or put in its place"


def verify(control: ControlStore, storage: Storage) -> Verdict:
    """Read every row and every seal. Rows that are added meanwhile do no harm: a seal is of rows before it."""
    stored = read_seals(storage)
    return judge(rows(control), stored, lambda number: storage.exists(path_of(number)))


def judge(chain: Iterable[Row], stored: list[Stored], written: Callable[[int], bool] = lambda number: False) -> Verdict:
    """What rows, oldest first, and seals say of each other. `written`: whether a seal that was not there is there by now."""
    walk = _Walk()
    wanted = {each.seal.seq for each in stored if each.seal}
    for row in chain:
        walk.take(row, wanted)
    findings = {each.id: each for each in (*walk.findings, *_of_seals(written, stored, walk))}
    excused = {found: each.seal for each in stored if each.seal for found in each.seal.accepted}
    good = [each.seal for each in stored if each.seal and _id(each.number, each) not in findings]
    newest = good[-1] if good else None
    return Verdict(
        rows=walk.rows,
        findings=tuple(each for name, each in findings.items() if name not in excused),
        accepted=tuple((each, excused[name]) for name, each in findings.items() if name in excused),
        seals=len(stored),
        sealed=newest.seq if newest else 0,
        sealed_at=newest.at if newest else "",
        unsealed=max(0, walk.seq - newest.seq) if newest else walk.rows,
    )


def rows(control: ControlStore) -> Iterator[sa.RowMapping]:
    """Every row of the table, oldest first."""
    last: Any = -(2**31)
    while True:
        query = sa.select(audit).where(audit.c.seq > last).order_by(audit.c.seq).limit(PAGE)
        with control.transaction() as connection:
            page = connection.execute(query).mappings().all()
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]["seq"]


def _of_seals(written: Callable[[int], bool], stored: list[Stored], walk: _Walk) -> Iterator[Finding]:
    known = {each.number: each for each in stored}
    for number in sorted({*known, *walk.named, *range(1, max(known, default=0))}):
        if number not in known and written(number):
            continue  # while the rows were read
        if problem := _seal_problem(number, known, walk):
            yield Finding(_id(number, known.get(number)), problem)


def _id(number: int, stored: Stored | None) -> str:
    """Of a seal: with the content of its file, if that can be read no more."""
    return f"seal:{number}" if stored is None or stored.seal else f"seal:{number}/{stored.digest[:8]}"


def _seal_problem(number: int, known: dict[int, Stored], walk: _Walk) -> str:
    if (stored := known.get(number)) is None:
        by = f", which row {walk.named[number][0]} names" if number in walk.named else ""
        return f"the file {path_of(number)} is gone{by}"
    seal, named = stored.seal, walk.named.get(number)
    before = known.get(number - 1)
    if seal is None or (named and named[1] != stored.digest) or (before and seal.previous != before.digest):
        return "its file, or the one before it, was changed after it was written"
    if seal.seq > walk.seq:
        gone = f"rows {walk.seq + 1} to {seal.seq} are gone" if walk.seq else "every row is gone"
        return f"the table ends at row {walk.seq}, and row {seal.seq} was sealed at {seal.at[:19]}: {gone}"
    if walk.sealed.get(seal.seq) != seal.hash:
        return f"row {seal.seq} is not the one it was when it was sealed at {seal.at[:19]}: the chain was written anew"
    if named is None and number != max(known):
        return f"no row of the table names it: rows after {seal.seq} were removed or replaced"
    return ""


def to_json(verdict: Verdict) -> dict[str, Json]:
    counts = {name: getattr(verdict, name) for name in ("rows", "seals", "sealed", "sealed_at", "unsealed", "intact")}
    findings = [vars(each) for each in verdict.findings]
    accepted = [{**vars(each), "seal": seal.number, "reason": seal.reason, "by": seal.actor} for each, seal in verdict.accepted]
    return {**counts, "findings": findings, "accepted": accepted}
