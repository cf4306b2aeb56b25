"""Which rows of a request are the candidates of one list, and the place of each.

Those whose query is the same: a key of the entity, or a feature of the request. A query that is neither has the whole request as
its list. A list meets one arm of a rollout and is answered by one version: scores of several have no common order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from include.core.spec import ModelSpec
from include.routing.entity_hash import SEPARATOR
from include.serving.prediction.rows import Row


class Lists:
    """The lists of one turn. Made anew for each: a list never goes beyond its request."""

    def __init__(self, spec: ModelSpec, query: str) -> None:
        self._query = query
        self._keys = spec.problem.unit_keys(spec.features.keys)
        self._units: dict[Hashable, str] = {}

    def of(self, request: object, entity: Mapping[str, Any], features: Any, request_id: str) -> tuple[Hashable, str]:
        """Of an item: which list it belongs to, and the text by which that list's arm is drawn, the same for all of it."""
        query = entity[self._query] if self._query in entity else getattr(features, self._query, None)
        which = (id(request), query)
        if which not in self._units:
            self._units[which] = SEPARATOR.join(str(entity[key]) for key in self._keys) or request_id
        return which, self._units[which]


def by_list(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that stand or fall together; each alone where they are in no list."""
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        found.setdefault(id(row) if row.together is None else row.together, []).append(row)
    return list(found.values())


def place(rows: Iterable[Row]) -> None:
    """Fill in the place of each candidate, from 0; of equal scores the one that was asked first comes first."""
    for candidates in by_list(rows):
        for at, row in enumerate(sorted(candidates, key=_descending)):
            row.record.place = at


def _descending(row: Row) -> float:
    assert row.record.score is not None
    return -row.record.score
