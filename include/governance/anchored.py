"""The audit chain against its anchors: what a row was when it was anchored, in a place that nobody can rewrite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile

from include.core.digest import digest_json
from include.governance.anchors import Anchor, Anchored, Held, Unreadable
from include.governance.audit_walk import Finding, Walk


def of_anchors(anchored: Anchored, walk: Walk) -> Iterator[Finding]:
    """What the anchors do not find again. Those that disagree one after another, in the order of their writing, are one finding.

    Only what a place held before says from where on the chain is in doubt: whoever wrote the chain anew can add anchors of it.
    """
    for place, held in anchored.held.items():
        agreed: list[int] = []
        for agrees, group in groupby(held, lambda each: isinstance(each, Anchor) and _agrees(each, walk)):
            if agrees:
                agreed += [each.seq for each in group if isinstance(each, Anchor)]
            else:
                yield _finding(place, [*group], walk, agreed)


def agreeing(anchored: Anchored, walk: Walk) -> list[int]:
    """The rows that are what an anchor says, of those anchors that a place held before any that disagrees."""
    sure: set[int] = set()
    for held in anchored.held.values():
        told = takewhile(lambda each: isinstance(each, Anchor) and _agrees(each, walk), held)
        sure |= {each.seq for each in told if isinstance(each, Anchor)}
    return sorted(sure)


def _agrees(anchor: Anchor, walk: Walk) -> bool:
    return walk.hashes.get(anchor.seq) == anchor.hash


def _finding(place: str, held: list[Held], walk: Walk, agreed: Sequence[int]) -> Finding:
    mark = digest_json([vars(each) for each in held])[:8]
    anchors = [each for each in held if isinstance(each, Anchor)]
    lines = [each.number for each in held if isinstance(each, Unreadable)]
    if not anchors:
        return Finding(f"anchor:line {lines[0]}/{mark}", f"line {lines[0]} of {place} is no anchor any more")
    first = min(anchors, key=lambda each: each.seq)
    last = max(anchors, key=lambda each: each.seq)
    when = f"when it was anchored at {first.at[:19]} ({place})"
    rest = f", nor are {len(held) - 1} more up to row {last.seq}" if len(held) > 1 else ""
    name = f"anchor:{first.seq}/{mark}"
    if first.seq > walk.seq:
        gone = f"rows {walk.seq + 1} to {last.seq} are gone" if walk.seq else "every row is gone"
        text = f"the table ends at row {walk.seq}, and row {first.seq} was there {when}: {gone}"
        return Finding(name, text, walk.seq + 1)
    since = doubted_from(first.seq, agreed, walk)
    text = f"row {first.seq} is not the one it was {when}{rest}: the chain is another one from row {since}, or a later one, on"
    return Finding(name, text, since)


def doubted_from(seq: int, agreed: Sequence[int], walk: Walk) -> int:
    """The first row that a disagreement about row `seq` puts in doubt: the first bad one of those before it, as far as they are
    not known to be the same; where none is bad by itself, the first of them."""
    known = max((each for each in agreed if each < seq), default=0)
    return min((each.row for each in walk.findings if known < each.row <= seq), default=known + 1)
