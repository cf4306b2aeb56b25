"""Reading rollouts and their events back: where each stands, since when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.core.acts import acts_in
from include.core.control import ControlStore, rollout_events, rollouts
from include.core.digest import digest_json
from include.core.effects import results_in
from include.core.errors import ConflictError, DataError
from include.core.time import instant
from include.rollout.plan import RolloutStage
from include.rollout_state.approval import Terms, opened_with
from include.versions.gate import RETURNED
from include.versions.lifecycle import Stage as VersionStage
from include.versions.lifecycle import at_stage

# Of a stage that has passed and waits: include/rollout/approvals.py and after_verdict.py.
APPROVAL_EVENTS = ("asked", "doubted", "approved", "withdrawn", "overdue", "rejected")


@dataclass(frozen=True)
class Rollout:
    """One rollout as the control store has it. `state` is running, paused, promoted or rolled_back."""

    id: str
    model: str
    challenger: int
    champion: int | None
    stage: str
    state: str
    reason: str
    stages: tuple[RolloutStage, ...]
    approval: Terms | None = None  # what is asked of persons, fixed when it opened

    @property
    def resource(self) -> str:
        """What is fenced: take it with `ControlStore.take` before any change."""
        return f"rollout/{self.model}"

    @property
    def live(self) -> bool:
        return self.state in ("running", "paused")

    def find(self, name: str) -> RolloutStage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise DataError(f"Rollout {self.id} has no stage {name!r}.", seen=[stage.name for stage in self.stages])


def read_rollout(control: ControlStore, rollout_id: str) -> Rollout:
    """Raises DataError for an unknown id."""
    with control.transaction() as connection:
        return rollout_in(connection, rollout_id)


def rollout_in(connection: sa.Connection, rollout_id: str) -> Rollout:
    """The same, inside the caller's transaction."""
    row = connection.execute(sa.select(rollouts).where(rollouts.c.id == rollout_id)).mappings().first()
    opened = event_in(connection, rollout_id, "opened")
    if row is None or opened is None:
        raise DataError(f"There is no rollout {rollout_id!r}.", hint="slipstream status lists them.")
    return _rollout(dict(row), opened)


def live_rollout(control: ControlStore, model: str) -> Rollout | None:
    """The model's live rollout, if any: while there is one, no other may open."""
    with control.transaction() as connection:
        return live_in(connection, model)


def live_in(connection: sa.Connection, model: str) -> Rollout | None:
    """The same, inside the caller's transaction."""
    row = connection.execute(sa.select(rollouts.c.id).where(rollouts.c.live == model)).first()
    return rollout_in(connection, row.id) if row else None


def last_in(connection: sa.Connection, model: str, version: int) -> Rollout | None:
    """The newest rollout of a version; None before its first."""
    mine = sa.and_(rollouts.c.model == model, rollouts.c.challenger == version)
    query = sa.select(rollouts.c.id).where(mine).order_by(rollouts.c.created_at.desc(), rollouts.c.id)
    row = connection.execute(query.limit(1)).first()
    return rollout_in(connection, row.id) if row else None


def list_rollouts(control: ControlStore, model: str) -> list[Rollout]:
    """All rollouts of a model, oldest first."""
    with control.transaction() as connection:
        query = sa.select(rollouts.c.id).where(rollouts.c.model == model).order_by(rollouts.c.created_at)
        return [rollout_in(connection, row.id) for row in connection.execute(query).all()]


def rollout_id_of(model: str, challenger: int, request: str) -> str:
    """The id of the rollout that a request opens: the same for every try of it."""
    return digest_json([model, challenger, request])[:20]


def opening_key(model: str, challenger: int, request: str) -> str:
    """The effect under which a request opened its rollout, or took part in one that was live."""
    return f"rollout:{model}:{challenger}:{rollout_id_of(model, challenger, request)}"


def opened_by(control: ControlStore, model: str, request: str) -> Rollout | None:
    """The rollout that a request has opened, even if whoever asked was killed before it heard of it."""
    with control.transaction() as connection:
        tried = connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.model == model).distinct()).scalars()
        keys = [opening_key(model, challenger, request) for challenger in tried]
        results = list(results_in(connection, keys).values())
        return rollout_in(connection, results[-1]["id"]) if results else None


def withdrawn(control: ControlStore, model: str) -> list[int]:
    """Versions whose last word is a rollback, in their rollout or after it, and that do not serve now; sorted.

    One that was restored and came into production again is none, whatever it was before.
    """
    ended = rollouts.c.state.in_(("rolled_back", "promoted"))
    tried = sa.select(rollouts.c.challenger, rollouts.c.state, rollouts.c.updated_at).where(rollouts.c.model == model, ended)
    with control.transaction() as connection:
        fates = [(row.updated_at, row.challenger, row.state == "promoted") for row in connection.execute(tried)]
        for act in acts_in(connection, model, ("rollout.return", RETURNED)):
            fates += [(act.at, act.detail["from"], False), (act.at, act.detail["to"], True)]
        last = {version: kept for _, version, kept in sorted(fates, key=lambda fate: fate[0])}
        gone = {version for version, kept in last.items() if version is not None and not kept}
        return sorted(gone - set(at_stage(connection, model, VersionStage.PRODUCTION)))


def events(control: ControlStore, rollout_id: str) -> list[dict[str, Any]]:
    """What happened, in order: {stage, event, evidence, at}."""
    columns = (rollout_events.c.stage, rollout_events.c.event, rollout_events.c.evidence, rollout_events.c.at)
    with control.transaction() as connection:
        stages = [stage.name for stage in rollout_in(connection, rollout_id).stages]
        query = sa.select(*columns).where(rollout_events.c.rollout == rollout_id)
        found = [dict(row) for row in connection.execute(query).mappings()]
    # Two events may share a millisecond: the machine's own order decides, not the clock.
    places = ("opened", *stages, "promote")
    begun = ("opened", "entered", "adopted", "alert", "paused", "undriven", "verdict")
    kinds = (*begun, *APPROVAL_EVENTS, "rolled_back", "promoted")
    with_others = {"resumed": "paused", "driven": "undriven"}

    def order(event: dict[str, Any]) -> tuple[int, int, str]:
        kind = with_others.get(event["event"], event["event"])
        return places.index(event["stage"]), kinds.index(kind), event["at"]

    return sorted(found, key=order)


def verdict_on(control: ControlStore, rollout: Rollout, stage: str) -> dict[str, Any] | None:
    """The decision on a stage as it was recorded, with its evidence; None before. It stands, whatever is asked later."""
    with control.transaction() as connection:
        event = event_in(connection, rollout.id, "verdict", stage)
    return dict(event["evidence"]) if event is not None else None


def alerted(control: ControlStore, rollout: Rollout, stage: str) -> bool:
    """Whether somebody was paged for the stage already."""
    with control.transaction() as connection:
        return event_in(connection, rollout.id, "alert", stage) is not None


def paused_for(control: ControlStore, rollout: Rollout, stage: str, at: datetime) -> timedelta:
    """How long the stage has been paused by then: that time does not count towards its deadline."""
    total, since = timedelta(0), None
    for event in events(control, rollout.id):
        if event["stage"] == stage and event["event"] == "paused":
            since = instant(event["at"])
        elif event["stage"] == stage and event["event"] == "resumed" and since is not None:
            total, since = total + instant(event["at"]) - since, None
    return total + (at - since if since is not None else timedelta(0))


def entered(control: ControlStore, rollout: Rollout, stage: str) -> tuple[str, int]:
    """When a stage was entered (ISO 8601, UTC) and its route's generation. It survives every retry."""
    with control.transaction() as connection:
        event = event_in(connection, rollout.id, "entered", stage)
    if event is None:
        raise ConflictError(f"Rollout {rollout.id} has not entered {stage}.", seen=rollout.stage, hint="enter_stage first.")
    return str(event["at"]), int(event["evidence"]["generation"])


def event_key(rollout_id: str, event: str, stage: str = "") -> str:
    return ":".join(filter(None, ("rollout", rollout_id, event, stage)))


def event_in(connection: sa.Connection, rollout_id: str, event: str, stage: str = "") -> Mapping[str, Any] | None:
    """One event's {evidence, at}, or None."""
    query = sa.select(rollout_events.c.evidence, rollout_events.c.at)
    row = connection.execute(query.where(rollout_events.c.key == event_key(rollout_id, event, stage))).mappings().first()
    return dict(row) if row else None


def _rollout(row: Mapping[str, Any], opened: Mapping[str, Any]) -> Rollout:
    stages = tuple(RolloutStage.from_json(stage) for stage in opened["evidence"]["stages"])
    names = ("id", "model", "challenger", "champion", "stage", "state", "reason")
    return Rollout(**{name: row[name] for name in names}, stages=stages, approval=opened_with(opened["evidence"]))
