"""The files of a version's lineage, by where they lie below the storage root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from include.core.digest import digest_bytes
from include.core.ledger import Ledger
from include.core.request import Json, relative
from include.governance.lineage import Trace
from include.governance.node import Node, State


def listed(ledger: Ledger, traced: Trace) -> list[dict[str, Json]]:
    """Each once, by path: its digest, and what it was to what it made. Of a result also its record and its request."""
    found: dict[str, dict[str, Json]] = {}
    nodes = {node.uri: node for node in traced.root.walk() if node.uri}  # a day is an input of many
    for node in nodes.values():
        for path, digest, role in _of(ledger, node, traced.where):
            found.setdefault(path, {"path": path, "digest": digest, "role": role})
    return [found[path] for path in sorted(found)]


def folders(traced: Trace) -> list[str]:
    """Folders that hold the listed files and nothing else: those of outputs."""
    paths = (node.detail.get("paths") for node in traced.root.walk())
    return sorted({path.rpartition("/")[0] for each in paths if isinstance(each, Mapping) for path in map(str, each.values())})


def _of(ledger: Ledger, node: Node, where: str) -> Iterator[tuple[str, str, str]]:
    digests, paths = node.detail.get("files"), node.detail.get("paths")
    if isinstance(digests, Mapping) and isinstance(paths, Mapping):
        yield from ((str(paths[name]), str(digest), f"{node.role}: {name}") for name, digest in digests.items())
    if node.uri.endswith("/result.json") and node.state is not State.MISSING:
        path = relative(node.uri)
        request = f"{path.rpartition('/')[0].rpartition('/')[0]}/request.json"
        yield from ((each, _digest(ledger, each), node.role) for each in (path, request) if ledger.storage.exists(each))
    elif node.uri and not node.uri.endswith("/result.json"):
        yield relative(node.uri).removeprefix(where).lstrip("/"), node.digest, node.role


def _digest(ledger: Ledger, path: str) -> str:
    return digest_bytes(ledger.storage.read(path))
