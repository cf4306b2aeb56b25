"""Who drives a live rollout: the DAG runs that opened it or took it over, and since when none of them does.

The request of `open` names its run. A run that finds the rollout of its version live goes on with it, and is written down
as an `adopted` event. Where the reconciler finds that none of these runs moves any more, it writes `undriven`, and `driven`
once one does again: together an episode, whose beginning the grace time counts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events, rollouts
from include.core.digest import digest_json
from include.core.effects import epoch_in
from include.core.time import instant, timestamp
from include.rollout.history import Rollout, event_key, rollout_in

EPISODE = ("undriven", "driven")


@dataclass(frozen=True)
class Driver:
    """One DAG run."""

    dag_id: str
    run_id: str

    @property
    def request(self) -> str:
        """What the run's `open` task asks under: operators.run.run_token."""
        return f"{self.dag_id}/{self.run_id}/open/-1"

    @classmethod
    def of(cls, request: str) -> Driver | None:
        """The run of a request; None for one that no task made."""
        dag_id, *run_id, _, index = request.split("/") if request.count("/") >= 3 else ("", "", "", "")
        return cls(dag_id, "/".join(run_id)) if dag_id and index.lstrip("-").isdigit() else None


@dataclass(frozen=True)
class LiveRollout:
    """A live rollout with its drivers, oldest first."""

    rollout: Rollout
    drivers: tuple[Driver, ...]  # empty: it was opened by no task, or by a version that did not write it down
    episodes: int  # how often it was found without a driver
    undriven: datetime | None  # since when it is; None: it was driven when somebody last looked
    epoch: int  # of the fence before this look: who acts on it is refused if a driver has started since


def live_rollouts(control: ControlStore) -> list[LiveRollout]:
    """Every model's live rollout, in one look."""
    with control.transaction() as connection:
        ids = connection.execute(sa.select(rollouts.c.id).where(rollouts.c.live.is_not(None)).order_by(rollouts.c.model))
        return [_live(connection, rollout_id) for rollout_id in ids.scalars().all()]


def _live(connection: sa.Connection, rollout_id: str) -> LiveRollout:
    rollout, found = rollout_in(connection, rollout_id), _events(connection, rollout_id)
    asked = [str(row["evidence"].get("request", "")) for row in found if row["event"] in ("opened", "adopted")]
    drivers = (Driver.of(request) for request in asked)
    episodes = [row for row in found if row["event"] in EPISODE]
    begun = [instant(row["at"]) for row in episodes if row["event"] == "undriven"]
    ended = len(episodes) - len(begun)
    since = begun[-1] if len(begun) > ended else None
    return LiveRollout(
        rollout, tuple(each for each in drivers if each), len(begun), since, epoch_in(connection, rollout.resource)
    )


def _events(connection: sa.Connection, rollout_id: str) -> list[dict[str, Any]]:
    wanted = rollout_events.c.event.in_(("opened", "adopted", *EPISODE))
    query = sa.select(rollout_events.c.event, rollout_events.c.evidence, rollout_events.c.at)
    rows = connection.execute(query.where(rollout_events.c.rollout == rollout_id, wanted).order_by(rollout_events.c.at))
    return [dict(row) for row in rows.mappings()]


def adopt(connection: sa.Connection, rollout_id: str, request: str) -> None:
    """Write down that this request's run drives the rollout from now on. Doing it again changes nothing."""
    known = [str(row["evidence"].get("request", "")) for row in _events(connection, rollout_id)]
    if request not in known:
        _write(connection, rollout_id, "adopted", digest_json(request)[:12], {"request": request})


def mark(
    connection: sa.Connection, rollout_id: str, event: Literal["undriven", "driven"], episode: int, reason: str, at: datetime
) -> None:
    """Begin or end an episode, as of the moment of the look; `episode` counts from 1."""
    _write(connection, rollout_id, event, str(episode), {"reason": reason}, timestamp(at))


def still_running(connection: sa.Connection, rollout: Rollout) -> bool:
    """Whether it is neither over nor paused by a person; until the transaction ends it stays so."""
    query = sa.select(rollouts.c.state).where(rollouts.c.id == rollout.id)
    if connection.dialect.name == "postgresql":  # a pause at the same moment comes before this transaction or after it
        query = query.with_for_update()
    return connection.execute(query).scalar() == "running"


def _write(connection: sa.Connection, rollout_id: str, event: str, name: str, evidence: dict[str, Any], at: str = "") -> None:
    stage = rollout_in(connection, rollout_id).stage
    row = {"rollout": rollout_id, "stage": stage, "event": event, "evidence": evidence, "at": at or timestamp()}
    connection.execute(rollout_events.insert().values(key=event_key(rollout_id, event, name), **row))
