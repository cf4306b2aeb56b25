"""A lineage tree: what was made from what, and whether the bytes are still those that were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from include.core.request import Json


class State(StrEnum):
    VERIFIED = "verified"  # the bytes are there and have the recorded digest
    RECORDED = "recorded"  # a digest of something that is no file: parameters, code
    MISSING = "missing"
    CHANGED = "changed"


@dataclass(frozen=True)
class Node:
    """`role` is what it was to what it made: "train", "2013-01-04", "raw flights"."""

    role: str
    state: State
    digest: str
    uri: str = ""
    detail: Mapping[str, Json] = field(default_factory=dict)
    children: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def broken(self) -> bool:
        """Whether this or anything below it is missing or changed."""
        return any(node.state in (State.MISSING, State.CHANGED) for node in self.walk())

    def to_json(self) -> dict[str, Json]:
        return {
            "role": self.role,
            "state": str(self.state),
            "digest": self.digest,
            "uri": self.uri,
            "detail": dict(self.detail),
            "inputs": [child.to_json() for child in self.children],
        }
