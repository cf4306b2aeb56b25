"""One item of a request on its way to its answer, and what is kept of it afterwards."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from include.online_store.precomputed import Precomputed
from include.prediction_log.record import Record
from include.serving.models.deployment import Deployment
from include.serving.prediction.request_types import Item

_astuple = msgspec.structs.astuple


class Row:
    """What is known of an item so far."""

    __slots__ = ("deployment", "features", "others", "precomputed", "record", "together")

    def __init__(
        self,
        record: Record,
        features: dict[str, Any],
        deployment: Deployment,
        others: Mapping[str, dict[str, Any]] | None = None,
        together: Hashable = None,
        precomputed: Precomputed | None = None,
    ) -> None:
        """`others`: while the deployment's versions read several sets of views, the features by each of them.

        `together`: which list it is a candidate of, where it is one. `precomputed`: what a batch gave to its entity.
        """
        self.record, self.features, self.deployment, self.others = record, features, deployment, others
        self.together, self.precomputed = together, precomputed

    def by(self, version: int) -> dict[str, Any]:
        """The features as that version reads them."""
        return self.features if self.others is None else self.others[self.deployment.reads(version)]


class Scored(NamedTuple):
    """What the response cache keeps: an answer that was not degraded."""

    features: dict[str, Any]
    output: float | list[float]
    version: int | None


def question(item: Item, deployment: Deployment) -> Hashable:
    """What makes two requests equal: all but their id; and a change of the route asks anew."""
    features = tuple(tuple(value) if value.__class__ is list else value for value in _astuple(item.features))
    return deployment.generation, _astuple(item.entity), features, item.event_time


def by_arm(rows: Iterable[Row]) -> Iterable[list[Row]]:
    """Those of one arm; and of one deployment, for the route may change within a batch."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((id(row.deployment), row.record.arm), []).append(row)
    return groups.values()
