"""A lineage tree as text. Many alike siblings share one line; a broken one is never left out.

What is a file is shown by where it lies below the storage root, so that it is found there. What is none (code, parameters,
definitions) is shown by its digest, which is that of a part of the request.json of the line above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from include.core.request import relative
from include.governance.lineage import Trace
from include.governance.node import Node, State

MARKS = {State.VERIFIED: "✓", State.RECORDED: "·", State.MISSING: "✗ missing", State.CHANGED: "✗ changed"}
SHORT = 12  # hex digits of a digest
DETAILS = (
    "semver",
    "stage",
    "as_of",
    "commit",
    "gate",
    "override",
    "promoted_by",
    "given_up",
    "rows",
    "first",
    "last",
    "function",
    "from",
    "by",
    "holds",
    "problem",
)
SHOWN = 4  # alike siblings before they are folded


def render(trace: Trace, everything: bool = False) -> str:
    """The tree; with `everything` no partition is folded away."""
    counts = ", ".join(f"{number} {state}" for state, number in trace.counts.items() if number)
    verdict = "every digest holds" if trace.intact else "LINEAGE IS BROKEN"
    lines = _lines(trace.root, "", everything, set(), trace.where)
    return "\n".join([*lines, *_found(trace), f"{verdict}: {counts}"])


def checksums(trace: Trace) -> str:
    """Every file of the lineage below the storage root, as `sha256sum --check` takes it: the digest and the path, by path."""
    found: dict[str, str] = {}
    for node in trace.root.walk():
        files, paths = node.detail.get("files"), node.detail.get("paths")
        if isinstance(files, Mapping) and isinstance(paths, Mapping):
            found |= {str(paths[name]): str(digest) for name, digest in files.items()}
        elif node.uri and not node.uri.endswith("/result.json"):  # a file by itself
            found[_place(node, trace.where)] = node.digest
    return "\n".join(f"{digest}  {path}" for path, digest in sorted(found.items()))


def _found(trace: Trace) -> Iterator[str]:
    """Where the paths are, and what the digests are of."""
    if trace.where:
        yield f"Paths are below {trace.where}; --files lists every file with its SHA-256."
        yield "What is marked · is no file: the digest of a part of the request.json beside the g0, g1, ... of the line above it."


def _place(node: Node, where: str) -> str:
    """Where it lies below the root: the folder of a result, the file of a partition."""
    return relative(node.uri).removeprefix(where).lstrip("/").removesuffix("/result.json")


def _lines(node: Node, indent: str, everything: bool, shown_before: set[str], where: str) -> Iterator[str]:
    if node.uri in shown_before and node.children:
        yield f"{_line(node, where)}: as above"
        return
    shown_before |= {node.uri} - {""}
    yield _line(node, where)
    shown = list(node.children) if everything else _collapse(node.children)
    for place, child in enumerate(shown):
        last = place == len(shown) - 1
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if isinstance(child, str):
            yield indent + branch + child
            continue
        lines = _lines(child, indent + below, everything, shown_before, where)
        yield indent + branch + next(lines)
        yield from lines


def _line(node: Node, where: str) -> str:
    return " ".join([node.role, *_shown(node, where), MARKS[node.state], *_details(node)])


def _shown(node: Node, where: str) -> list[str]:
    """What it is found by."""
    if node.uri:
        return [_place(node, where)]
    return [] if "key" in node.detail else [node.digest[:SHORT]]  # a version is found by its key, whole


def _details(node: Node) -> list[str]:
    if node.role == "parameters":
        detail = [f"{name}={value}" for name, value in node.detail.items()]
    else:
        names = DETAILS if node.uri else ("key", *DETAILS)  # a result's path says its key
        known = {name: node.detail[name] for name in names if isinstance(node.detail.get(name), str | int)}
        detail = [str(value) if name == "given_up" else f"{name} {value}" for name, value in known.items() if value != ""]
    return [f"({', '.join(detail)})"] if detail else []


def _collapse(children: Sequence[Node]) -> list[Node | str]:
    """Days after the first and before the last are one line, but for those with something broken below."""
    days = [child for child in children if child.role[:1].isdigit()]
    others: list[Node | str] = [child for child in children if not child.role[:1].isdigit()]
    if len(days) <= SHOWN:
        return [*days, *others]
    kept = [day for day in days[1:-1] if day.broken]
    hidden = len(days) - 2 - len(kept)
    return [days[0], f"… {hidden} more days, all intact", *kept, days[-1], *others]
