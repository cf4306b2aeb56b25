"""Verifying the audit chain: row after row, against its seals and its anchors, in the stores or in a copy. It writes nothing.

The first bad row is the first that is seen not to be what it was. A row vouches for the one before it, whose hash it holds; a
seal and an anchor vouch for the row that they name, and so for all before it: up to which row all is certain is said as well.

| what was done | the first bad row |
|---|---|
| a row was edited, its hash as well or not | that row |
| rows were dropped, the others kept their numbers | the first that is missing |
| the others were numbered anew, too | the row before the gap: it may be that one which was replaced |
| two rows changed places, a row was put in | the first place where another row stands |
| rows were cut off at the end | the first that is missing, where a seal or an anchor knows of one |
| rows were computed anew up to the end | the one after the newest that is as it was anchored, or sealed: it, or a later one |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from include.core.control import ControlStore
from include.core.errors import IntegrityError
from include.core.request import Json
from include.core.storage import Storage
from include.governance.anchored import agreeing, doubted_from, of_anchors
from include.governance.anchors import Anchored
from include.governance.audit_rows import Row, rows
from include.governance.audit_walk import Finding, Walk
from include.governance.seals import Seal, Stored, path_of, read_seals

SHOWN = 10
COUNTS = ("rows", "seals", "sealed", "sealed_at", "unsealed", "anchors", "anchored", "anchored_at", "first", "certain", "intact")


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
    anchors: int = 0
    anchored: int = 0  # the last row of which an anchor says that it is the same
    anchored_at: str = ""
    away: Mapping[str, str] = field(default_factory=dict)  # places of anchors that could not be read, with why
    elsewhere: tuple[str, ...] = ()  # places that are only written to
    vouched: tuple[int, ...] = ()  # rows of which an anchor or a seal says that they are the same, ascending

    @property
    def intact(self) -> bool:
        return not self.findings

    @property
    def first(self) -> int:
        """The first bad row, 0 where no row is in doubt."""
        return min((each.row for each in self.findings if each.row), default=0)

    @property
    def certain(self) -> int:
        """The row up to which all are as they were written, whoever holds the table: an anchor says so, or a seal."""
        return max((each for each in self.vouched if not self.first or each < self.first), default=0)

    @property
    def words(self) -> str:
        if not self.seals:
            return f"{self.rows} rows, none of them sealed yet.{self._of_anchors}"
        newest = f"the newest of row {self.sealed} ({self.sealed_at[:19]})"
        return f"{self.rows} rows; {self.seals} seals, {newest}; {self.unsealed} rows after it.{self._of_anchors}"

    @property
    def _of_anchors(self) -> str:
        newest = f", the newest that agrees of row {self.anchored} ({self.anchored_at[:19]})" if self.anchored else ""
        count = f" {self.anchors} anchors{newest}." if self.anchors else ""
        away = "".join(f" {place} could not be compared: {why}" for place, why in self.away.items())
        carried = "".join(
            f" {place} is only written to: compare what it was carried to by --anchors." for place in self.elsewhere
        )
        return count + away + carried

    def raise_if_broken(self) -> None:
        """Raises IntegrityError that names the first places."""
        if self.intact:
            return
        more = f"\n... and {len(self.findings) - SHOWN} more" if len(self.findings) > SHOWN else ""
        text = "\n".join(f"{each.id}: {each.what}" for each in self.findings[:SHOWN])
        since = f", from row {self.first} on" if self.first else ""
        raise IntegrityError(
            f"The audit chain is not as it was written{since}, at {len(self.findings)} places:\n{text}{more}\n",
            seen=self.words,
            safe=f"nothing was changed by looking; {self._safe}",
            hint="keep the store and the seals as they are, compare them with a backup, and find out who had access. If the "
            "reason is known, such as a restored backup: slipstream audit accept --reason ...",
        )

    @property
    def _safe(self) -> str:
        if not self.certain:
            return "no row is anchored or sealed as it is now."
        return f"the rows up to {self.certain} are as they were when they were anchored, or sealed."


def verify(control: ControlStore, storage: Storage, anchored: Anchored | None = None) -> Verdict:
    """Read every row and every seal, and compare them with the anchors. Rows that are added meanwhile do no harm: a seal and an
    anchor are of rows before them."""
    stored = read_seals(storage)
    return judge(rows(control), stored, lambda number: storage.exists(path_of(number)), anchored)


def judge(
    chain: Iterable[Row],
    stored: list[Stored],
    written: Callable[[int], bool] = lambda number: False,
    anchored: Anchored | None = None,
) -> Verdict:
    """What rows, oldest first, seals and anchors say of each other.

    `written`: whether a seal that was not there is there by now. The anchors were read before the rows.
    """
    anchored = anchored or Anchored()
    walk = Walk({each.seal.seq for each in stored if each.seal} | {each.seq for each in anchored})
    for row in chain:
        walk.take(row)
    sure, alike = agreeing(anchored, walk), sorted(_sealed_alike(stored, walk))
    doubts = [*of_anchors(anchored, walk)]
    agreed = sorted({*sure, *(alike if not doubts else ())})  # a seal can be forged together with the chain
    found = (*walk.findings, *_of_seals(written, stored, walk, sorted({*sure, *alike})), *doubts)
    findings = {each.id: each for each in found}
    excused = {name: each.seal for each in stored if each.seal for name in each.seal.accepted}
    good = [each.seal for each in stored if each.seal and _id(each.number, each) not in findings]
    newest = good[-1] if good else None
    last = max((each for each in anchored if walk.hashes.get(each.seq) == each.hash), key=lambda each: each.seq, default=None)
    return Verdict(
        rows=walk.rows,
        findings=tuple(each for name, each in findings.items() if name not in excused),
        accepted=tuple((each, excused[name]) for name, each in findings.items() if name in excused),
        seals=len(stored),
        sealed=newest.seq if newest else 0,
        sealed_at=newest.at if newest else "",
        unsealed=max(0, walk.seq - newest.seq) if newest else walk.rows,
        anchors=sum(1 for _ in anchored),
        anchored=last.seq if last else 0,
        anchored_at=last.at if last else "",
        away=anchored.away,
        elsewhere=anchored.elsewhere,
        vouched=tuple(agreed),
    )


def _sealed_alike(stored: list[Stored], walk: Walk) -> Iterator[int]:
    """The rows that are what a seal says. One that was forged vouches for nothing."""
    for each in stored:
        if (
            each.seal
            and walk.hashes.get(each.seal.seq) == each.seal.hash
            and walk.named.get(each.number, ("", each.digest))[1] == each.digest
        ):
            yield each.seal.seq


def _of_seals(written: Callable[[int], bool], stored: list[Stored], walk: Walk, agreed: Sequence[int]) -> Iterator[Finding]:
    known = {each.number: each for each in stored}
    for number in sorted({*known, *walk.named, *range(1, max(known, default=0))}):
        if number not in known and written(number):
            continue  # while the rows were read
        if problem := _seal_problem(number, known, walk, agreed):
            yield Finding(_id(number, known.get(number)), *problem)


def _id(number: int, stored: Stored | None) -> str:
    """Of a seal: with the content of its file, if that can be read no more."""
    return f"seal:{number}" if stored is None or stored.seal else f"seal:{number}/{stored.digest[:8]}"


def _seal_problem(number: int, known: dict[int, Stored], walk: Walk, agreed: Sequence[int]) -> tuple[str, int] | None:
    """What is wrong with it, and the first row that is in doubt, if any is."""
    if (stored := known.get(number)) is None:
        by = f", which row {walk.named[number][0]} names" if number in walk.named else ""
        return f"the file {path_of(number)} is gone{by}", 0
    seal, named = stored.seal, walk.named.get(number)
    before = known.get(number - 1)
    if seal is None or (named and named[1] != stored.digest) or (before and seal.previous != before.digest):
        return "its file, or the one before it, was changed after it was written", 0
    if seal.seq > walk.seq:
        gone = f"rows {walk.seq + 1} to {seal.seq} are gone" if walk.seq else "every row is gone"
        return f"the table ends at row {walk.seq}, and row {seal.seq} was sealed at {seal.at[:19]}: {gone}", walk.seq + 1
    if walk.hashes.get(seal.seq) != seal.hash:
        what = f"row {seal.seq} is not the one it was when it was sealed at {seal.at[:19]}: the chain was written anew"
        return what, doubted_from(seal.seq, agreed, walk)
    if named is None and number != max(known):
        return f"no row of the table names it: rows after {seal.seq} were removed or replaced", seal.seq + 1
    return None


def to_json(verdict: Verdict) -> dict[str, Json]:
    counts = {name: getattr(verdict, name) for name in COUNTS}
    findings = [vars(each) for each in verdict.findings]
    accepted = [{**vars(each), "seal": seal.number, "reason": seal.reason, "by": seal.actor} for each, seal in verdict.accepted]
    places = {"away": dict(verdict.away), "elsewhere": list(verdict.elsewhere)}
    return {**counts, **places, "findings": findings, "accepted": accepted}
