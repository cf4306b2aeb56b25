"""A lineage tree as text. Many alike siblings share one line; a broken one is never left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.governance.lineage import Trace
from include.governance.node import Node, State

MARKS = {State.VERIFIED: "✓", State.RECORDED: "·", State.MISSING: "✗ missing", State.CHANGED: "✗ changed"}
SHORT = 12  # hex digits of a digest
SHOWN = 4  # alike siblings before they are folded


def render(trace: Trace, everything: bool = False) -> str:
    """The tree; with `everything` no partition is folded away."""
    counts = ", ".join(f"{number} {state}" for state, number in trace.counts.items() if number)
    verdict = "every digest holds" if trace.intact else "LINEAGE IS BROKEN"
    return "\n".join([*_lines(trace.root, "", everything, set()), f"{verdict}: {counts}"])


def _lines(node: Node, indent: str, everything: bool, shown_before: set[str]) -> Iterator[str]:
    if node.uri in shown_before and node.children:
        yield f"{_line(node)}: as above"
        return
    shown_before |= {node.uri} - {""}
    yield _line(node)
    shown = list(node.children) if everything else _collapse(node.children)
    for place, child in enumerate(shown):
        last = place == len(shown) - 1
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if isinstance(child, str):
            yield indent + branch + child
            continue
        lines = _lines(child, indent + below, everything, shown_before)
        yield indent + branch + next(lines)
        yield from lines


def _line(node: Node) -> str:
    names = ("semver", "stage", "as_of", "commit", "rows", "first", "last", "function", "from", "by", "problem")
    detail = [
        f"{name} {node.detail[name]}"
        for name in names
        if isinstance(node.detail.get(name), str | int) and node.detail[name] != ""
    ]
    if node.role == "parameters":
        detail = [f"{name}={value}" for name, value in node.detail.items()]
    return " ".join([node.role, node.digest[:SHORT], MARKS[node.state], *([f"({', '.join(detail)})"] if detail else [])])


def _collapse(children: Sequence[Node]) -> list[Node | str]:
    """Days after the first and before the last are one line, but for those with something broken below."""
    days = [child for child in children if child.role[:1].isdigit()]
    others: list[Node | str] = [child for child in children if not child.role[:1].isdigit()]
    if len(days) <= SHOWN:
        return [*days, *others]
    kept = [day for day in days[1:-1] if day.broken]
    hidden = len(days) - 2 - len(kept)
    return [days[0], f"… {hidden} more days, all intact", *kept, days[-1], *others]
