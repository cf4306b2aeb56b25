"""The control store's rows of one model's year, and the audit chain that says how they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from include.core import control as store
from include.core.control import ControlStore, audit_hash
from include.costs.prices import Prices
from include.costs.spent import Spent
from include.costs.version import COSTS, VersionCost, key_of
from include.rollout.plan import RolloutStage
from include.routing.route import Route
from include.versions.record import VersionRecord

Row = dict[str, Any]
PRICES = Prices("EUR", 0.04, 1.2, 0.005, 0.02)


@dataclass
class Chain:
    """Audit rows: in the order of their moments each has the hash of the one before."""

    acts: list[Row] = field(default_factory=list)

    def add(self, at: str, actor: str, action: str, subject: str, detail: Row) -> None:
        self.acts.append({"at": at, "actor": actor, "action": action, "subject": subject, "detail": detail})

    def rows(self) -> Iterator[Row]:
        previous = "0" * 64
        for seq, act in enumerate(sorted(self.acts, key=lambda each: str(each["at"])), start=1):
            row = {**act, "previous": previous}
            previous = audit_hash(row)
            yield {**row, "seq": seq, "hash": previous}


@dataclass
class Rows:
    """By table."""

    of: dict[sa.Table, list[Row]] = field(default_factory=dict)

    def add(self, table: sa.Table, **row: Any) -> None:
        self.of.setdefault(table, []).append(row)

    def insert(self, control: ControlStore, chain: Chain) -> None:
        with control.transaction() as connection:
            for table, rows in (*self.of.items(), (store.audit, [*chain.rows()])):
                connection.execute(table.insert(), rows)


def add_version(rows: Rows, chain: Chain, record: VersionRecord, stages: Sequence[RolloutStage], serves: bool) -> None:
    """A version with its cost and its rollout: promoted, or rolled back in shadow."""
    entry, at = record.entry, record.created_at
    rows.add(store.versions, key=entry.key, model=entry.model, version=record.version, semver=record.semver,
             stage=str(record.stage), record=record.to_json(), at=at)  # fmt: skip
    chain.add(at, "register", "register", entry.model, {"version": record.version, "semver": record.semver, "key": entry.key})
    cost = VersionCost(tuple(_spent()), 0.024, 0.0004, PRICES)
    body = COSTS.format.stamp({"version": record.version, **cost.to_json()})
    rows.add(store.documents, key=key_of(entry.model, record.version), kind=COSTS.name, subject=entry.model, body=body, at=at)
    rollout = f"{entry.model}-{record.version}"
    ended = {"stage": "full_100", "state": "promoted"} if serves else {"stage": "shadow", "state": "rolled_back"}
    rows.add(store.rollouts, id=rollout, model=entry.model, live=None, challenger=record.version,
             champion=record.version - 1 or None, reason="" if serves else "more errors than the champion",
             created_at=at, updated_at=at, **ended)  # fmt: skip
    for name, stage, evidence in _events(stages, serves):
        rows.add(store.rollout_events, key=f"rollout:{rollout}:{name}:{stage}", rollout=rollout, stage=stage or "opened",
                 event=name, evidence=evidence, at=at)  # fmt: skip
    chain.add(at, "rollout", "rollout.open", entry.model, {"rollout": rollout, "challenger": record.version})
    chain.add(at, "rollout", "rollout.promote" if serves else "rollout.roll_back", entry.model,
              {"rollout": rollout, "version": record.version, "reason": "the evidence"})  # fmt: skip


def set_champion(rows: Rows, model: str, champion: int, at: str) -> None:
    route = Route(champion=champion, previous=champion - 2).to_json()
    rows.add(store.routes, model=model, generation=40, route=route, at=at)


def _spent() -> Iterator[Spent]:
    for step, seconds in (("training_set", 31.0), ("tune", 240.0), ("train", 620.0), ("evaluate", 22.0)):
        yield Spent(step, 1, seconds, seconds / 1800, 0.0, seconds / 900)


def _events(stages: Sequence[RolloutStage], serves: bool) -> Iterator[tuple[str, str, Row]]:
    yield "opened", "", {"stages": [stage.to_json() for stage in stages], "request": "r"}
    for stage in stages if serves else stages[:2]:
        yield "entered", stage.name, {"generation": 1, "route": {}}
        answer = "promote" if serves or stage.name == "smoke" else "roll_back"
        yield (
            "verdict",
            stage.name,
            {"answer": answer, "reasons": ["no more errors than the champion"], "arms": {"champion": 900}},
        )
    yield ("promoted", "promote", {}) if serves else ("rolled_back", "shadow", {"reason": "more errors"})
