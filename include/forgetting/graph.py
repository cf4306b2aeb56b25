"""What of the ledger was made from what, for the models and feature sets that a request to forget is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from include.core.ledger import Ledger
from include.core.request import Request

_KEY = re.compile(r"ledger/([^/]+/[^/]+)/g\d+/result\.json")
ANEW = frozenset({"reference", "past"})
"""Steps whose files are rows without a key or an id: where what they were made from had the subject's rows they are given up, and
made anew by whoever asks for them."""


@dataclass(frozen=True)
class Graph:
    """The requests of some owners by their keys."""

    requests: Mapping[str, Request]

    @classmethod
    def of(cls, ledger: Ledger, owners: Iterable[str]) -> Graph:
        wanted = set(owners)
        found = ((key, ledger.request(key)) for key in ledger.requested())
        return cls({key: request for key, request in found if request.model in wanted})

    @cached_property
    def inputs(self) -> Mapping[str, frozenset[str]]:
        return {
            key: frozenset(found[1] for ref in request.inputs.values() if (found := _KEY.search(ref.uri)))
            for key, request in self.requests.items()
        }

    @cached_property
    def order(self) -> list[str]:
        """Every key after all that it was made from."""
        done: dict[str, None] = {}
        for key in sorted(self.requests):
            self._visit(key, done)
        return list(done)

    def _visit(self, first: str, done: dict[str, None]) -> None:
        left: list[tuple[str, bool]] = [(first, False)]
        while left:
            key, ready = left.pop()
            if ready:
                done.setdefault(key)
            elif key not in done:
                left.append((key, True))
                left += [(each, False) for each in sorted(self.inputs[key]) if each in self.requests and each not in done]

    def from_any(self, keys: Iterable[str]) -> set[str]:
        """These, and whatever was made from them, directly or not."""
        found = set(keys)
        for key in self.order:
            if self.inputs[key] & found:
                found.add(key)
        return found


def generations(ledger: Ledger, key: str) -> Iterator[int]:
    """The numbers of a key's generations, oldest first."""
    yield from range(ledger.generation(key) + 1)
