"""Where a model stands, read from the control store alone: for the console and `slipstream status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, decisions, partitions, rollout_events, rollouts, routes
from include.core.request import Json
from include.governance.mirror import behind
from include.versions import queries as versions
from include.versions.record import VersionRecord

EVENTS = 12  # of the newest rollout
DECISIONS = 5

Row = dict[str, Json]


@dataclass(frozen=True)
class Partitions:
    newest: str  # YYYY-MM-DD; empty if none is published
    days: int


@dataclass(frozen=True)
class Overview:
    model: str
    versions: tuple[VersionRecord, ...]  # newest first
    route: Row  # as the gateway is told to serve; empty before the first rollout
    rollout: Row  # the newest, live or not; empty if there was none
    events: tuple[Row, ...]  # of that rollout, newest first
    decisions: tuple[Row, ...]  # newest first
    partitions: Partitions
    registry: str  # how far the registry is behind what stands here, in words; empty where it shows it

    @property
    def champion(self) -> VersionRecord | None:
        return versions.champion(list(reversed(self.versions)))

    @property
    def live(self) -> bool:
        return bool(self.rollout.get("live"))

    @property
    def weights(self) -> dict[str, int]:
        """Percent of the entities by version, as text: what the route says."""
        share = int(self.route.get("weight", 0))
        shares = ((self.route.get("champion"), 100 - share), (self.route.get("challenger"), share))
        return {str(version): percent for version, percent in shares if version is not None and percent}

    def to_json(self) -> dict[str, Json]:
        champion = self.champion
        return {
            "model": self.model,
            "champion": champion.version if champion else None,
            "weights": self.weights,
            "versions": [record.to_json() for record in self.versions],
            "route": self.route,
            "rollout": self.rollout,
            "events": list(self.events),
            "decisions": list(self.decisions),
            "partitions": vars(self.partitions),
            "registry": self.registry,
        }


def overview(control: ControlStore, model: str) -> Overview:
    """One look at a model. The parts are read one after another, so a promotion may fall between two of them."""
    rollout = _first(_rows(control, _newest(rollouts, model, rollouts.c.created_at, 1)))
    return Overview(
        model,
        tuple(reversed(versions.records(control, model))),
        _route(control, model),
        rollout,
        tuple(_events(control, rollout)),
        tuple(_rows(control, _newest(decisions, model, decisions.c.as_of, DECISIONS))),
        _partitions(control, model),
        _registry(control, model),
    )


def _route(control: ControlStore, model: str) -> Row:
    row = _first(_rows(control, sa.select(routes).where(routes.c.model == model)))
    return {**row["route"], "generation": row["generation"], "at": row["at"]} if row else {}


def _events(control: ControlStore, rollout: Row) -> list[Row]:
    if not rollout:
        return []
    columns = (rollout_events.c.stage, rollout_events.c.event, rollout_events.c.evidence, rollout_events.c.at)
    of_this = sa.select(*columns).where(rollout_events.c.rollout == rollout["id"])
    return _rows(control, of_this.order_by(rollout_events.c.at.desc()).limit(EVENTS))


def _partitions(control: ControlStore, model: str) -> Partitions:
    counted = sa.select(sa.func.max(partitions.c.day).label("newest"), sa.func.count().label("days"))
    row = _first(_rows(control, counted.where(partitions.c.model == model)))
    return Partitions(row["newest"] or "", int(row["days"]))


def _registry(control: ControlStore, model: str) -> str:
    found = behind(control, model)
    if not found:
        return ""
    since = f" since {found[0].since[:16]}" if found[0].since else ""
    return f"its labels are behind{since}: " + (found[0].problem or f"not shown yet. Next: slipstream mirror {model}")


def _newest(table: sa.Table, model: str, order: sa.Column[Any], limit: int) -> sa.Select[Any]:
    return sa.select(table).where(table.c.model == model).order_by(order.desc()).limit(limit)


def _rows(control: ControlStore, query: sa.Executable) -> list[Row]:
    with control.transaction() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _first(rows: Sequence[Row]) -> Row:
    return rows[0] if rows else {}
