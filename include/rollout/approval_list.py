"""Reading approvals: which rollouts wait for persons, and who said what of a version. Without the state machine, and light."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events, rollouts
from include.core.settings import Settings
from include.core.time import now
from include.rollout.approval_gate import Standing, standing_of
from include.rollout.history import APPROVAL_EVENTS, last_in, live_in, rollout_in
from include.rollout_state.approval import Terms, opened_with


def approval(control: ControlStore, rollout_id: str) -> Standing | None:
    """Where a rollout's approval stands; None where nobody is asked."""
    with control.transaction() as connection:
        return standing_of(connection, rollout_in(connection, rollout_id))


def waiting_approvals(control: ControlStore, model: str = "") -> list[Standing]:
    """The rollouts that wait for persons now, of one model or of all; the one that is due first comes first."""
    query = sa.select(rollouts.c.id).where(rollouts.c.live.is_not(None))
    with control.transaction() as connection:
        ids = connection.execute(query.where(rollouts.c.model == model) if model else query).scalars().all()
        found = [standing_of(connection, rollout_in(connection, rollout_id)) for rollout_id in ids]
    return sorted((each for each in found if each is not None and each.waits), key=lambda each: each.until)


def why_nobody_in(connection: sa.Connection, model: str, version: int) -> str:
    """Why nobody is asked about a version, in words. Who answers may have thought for days, and has to know how it ended."""
    live, last = live_in(connection, model), last_in(connection, model, version)
    if last is not None and not last.live:
        return f"its rollout is over, {last.state.replace('_', ' ')}{f' ({last.reason})' if last.reason else ''}"
    if live is None:
        return "no rollout is live"
    return f"it is in {live.stage}" if live.challenger == version else f"version {live.challenger} is being rolled out"


def why_nobody(control: ControlStore, model: str, version: int) -> str:
    with control.transaction() as connection:
        return why_nobody_in(connection, model, version)


def approvals_of(control: ControlStore, model: str, version: int) -> list[dict[str, Any]]:
    """What persons were asked of a version and what they said, in all its rollouts, oldest first.

    Each is {"rollout", "event" (asked, approved, rejected or overdue; of the judge doubted or withdrawn), "at", "person" ({"id",
    "name"} or None), "reason", "seen", "via", "terms"}.
    """
    mine = sa.and_(rollouts.c.model == model, rollouts.c.challenger == version)
    kinds = rollout_events.c.event.in_(("opened", *APPROVAL_EVENTS))
    query = sa.select(rollout_events).join(rollouts, rollouts.c.id == rollout_events.c.rollout).where(mine, kinds)
    with control.transaction() as connection:
        rows = connection.execute(query.order_by(rollout_events.c.at, rollout_events.c.key)).mappings().all()
    terms = {row["rollout"]: opened_with(row["evidence"]) for row in rows if row["event"] == "opened"}
    return [_told(row, terms[row["rollout"]]) for row in rows if row["event"] != "opened"]


def look(*, rollout: str, seen: str, told: bool = False) -> str | None:
    """For whoever waits: over, approved, changed (since `seen` was shown) or overdue (unless `told`); None: ask again."""
    standing = approval(ControlStore(Settings.from_env().control_url), rollout)
    if standing is None or not standing.rollout.live:
        return "over"
    if not standing.missing:
        return "approved"
    if standing.seen != seen:
        return "changed"
    return "overdue" if standing.is_over(now()) and not told else None


def _told(row: sa.RowMapping, terms: Terms | None) -> dict[str, Any]:
    told = row["evidence"]
    kept = {name: told.get(name) for name in ("reason", "seen", "via")}
    if "reasons" in told:  # the judge's
        kept["reason"] = "; ".join(map(str, told["reasons"]))
    person = told.get("by")
    head = {"rollout": row["rollout"], "event": row["event"], "at": row["at"], "person": dict(person) if person else None}
    return {**head, **kept, "terms": terms.to_json() if terms is not None else None}
