"""Questions to the tables of rollouts and their events. Who changes them is include/rollout."""

from __future__ import annotations

from typing import Any, TypedDict

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events, rollouts


class RolloutRow(TypedDict):
    """A rollout as the control store has it. Times are ISO 8601, UTC."""

    id: str
    model: str
    live: str | None  # the model while it is live
    challenger: int
    champion: int | None
    stage: str
    state: str  # running, paused, promoted or rolled_back
    reason: str
    created_at: str
    updated_at: str


class EventRow(TypedDict):
    """Something that happened in a rollout."""

    stage: str
    event: str
    evidence: dict[str, Any]
    at: str


def challengers_in(connection: sa.Connection) -> dict[str, int]:
    """By model: the version that its live rollout is bringing in."""
    query = sa.select(rollouts.c.model, rollouts.c.challenger).where(rollouts.c.live.is_not(None))
    return {row.model: row.challenger for row in connection.execute(query)}


def challenger(control: ControlStore, model: str) -> int | None:
    """The version that a model's live rollout is bringing in."""
    with control.transaction() as connection:
        return connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.live == model)).scalar()


def live_in(connection: sa.Connection, model: str) -> str:
    """The id of a model's live rollout; empty where there is none."""
    return connection.execute(sa.select(rollouts.c.id).where(rollouts.c.live == model)).scalar() or ""


def rolled_back_in(connection: sa.Connection, model: str) -> set[int]:
    """The versions of which a rollout was rolled back."""
    mine = sa.and_(rollouts.c.model == model, rollouts.c.state == "rolled_back")
    return set(connection.execute(sa.select(rollouts.c.challenger).where(mine)).scalars())


def newest_rollout(control: ControlStore, model: str) -> RolloutRow | None:
    """A model's newest rollout, live or not."""
    query = sa.select(rollouts).where(rollouts.c.model == model).order_by(rollouts.c.created_at.desc()).limit(1)
    with control.transaction() as connection:
        row = connection.execute(query).mappings().first()
    return RolloutRow(**row) if row else None  # type: ignore[typeddict-item]  # the columns are the keys


def live_rollouts_in(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """By model: its live rollout, {id, challenger, champion, stage, state, reason, since}. `paged`: what somebody was paged for,
    in words; empty where nobody was."""
    found = connection.execute(sa.select(rollouts).where(rollouts.c.live.is_not(None))).mappings().all()
    paged = sa.and_(rollout_events.c.rollout.in_([row["id"] for row in found]), rollout_events.c.event == "alert")
    alerts = (
        connection.execute(sa.select(rollout_events.c.rollout, rollout_events.c.evidence).where(paged)).all() if found else []
    )
    words = {row.rollout: "; ".join(map(str, row.evidence.get("reasons", ()))) or "see its evidence" for row in alerts}
    names = ("id", "challenger", "champion", "stage", "state", "reason")
    told = (
        {**{name: row[name] for name in names}, "since": row["created_at"], "paged": words.get(row["id"], "")} for row in found
    )
    return {row["model"]: each for row, each in zip(found, told, strict=True)}


def newest_events(control: ControlStore, rollout: str, limit: int) -> list[EventRow]:
    """What happened last in a rollout, newest first."""
    columns = (rollout_events.c.stage, rollout_events.c.event, rollout_events.c.evidence, rollout_events.c.at)
    query = sa.select(*columns).where(rollout_events.c.rollout == rollout)
    with control.transaction() as connection:
        rows = connection.execute(query.order_by(rollout_events.c.at.desc()).limit(limit)).all()
    return [EventRow(stage=row.stage, event=row.event, evidence=row.evidence, at=row.at) for row in rows]


def uses_in(connection: sa.Connection, model: str) -> list[tuple[int, str, str]]:
    """Of each rollout of a model: a version that it was about, when it was last written, and its id while it is live, else empty.
    The version that came in is about it, and the one that it found in production."""
    rows = connection.execute(sa.select(rollouts).where(rollouts.c.model == model)).all()
    return [
        (version, row.updated_at, row.id if row.live else "")
        for row in rows
        for version in (row.challenger, row.champion)
        if version is not None
    ]


def models_in(connection: sa.Connection) -> set[str]:
    """The models that ever had a rollout."""
    return set(connection.execute(sa.select(rollouts.c.model).distinct()).scalars())


def rollouts_of_in(connection: sa.Connection, model: str, version: int) -> list[dict[str, Any]]:
    """Every rollout of a version, oldest first."""
    mine = sa.and_(rollouts.c.model == model, rollouts.c.challenger == version)
    return [dict(row) for row in connection.execute(sa.select(rollouts).where(mine).order_by(rollouts.c.created_at)).mappings()]


def served_in(connection: sa.Connection, model: str, version: int) -> tuple[str, str]:
    """When a rollout first made a version the champion, and when the next one was made it; empty where that was not yet."""
    promoted = sa.select(sa.func.min(rollouts.c.updated_at)).where(rollouts.c.model == model, rollouts.c.state == "promoted")
    since = connection.execute(promoted.where(rollouts.c.challenger == version)).scalar() or ""
    if not since:
        return "", ""
    later = promoted.where(rollouts.c.challenger != version, rollouts.c.updated_at > since)
    return since, connection.execute(later).scalar() or ""
