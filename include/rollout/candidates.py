"""The candidates of every model in one look: whose turn it is, and who will never have one (include/rollout/waiting.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.core.control import ControlStore, fences, rollouts, versions
from include.rollout.waiting import without_a_turn
from include.routing.route import route_in
from include.versions.lifecycle import Stage


@dataclass(frozen=True)
class WaitingCandidates:
    """A model's candidates that are not being rolled out, newest first."""

    model: str
    champion: int | None
    live: bool  # whether a rollout is: then they wait for its end
    fresh: tuple[int, ...]  # neither rolled out, superseded nor offered again by a person yet
    again: tuple[int, ...]  # a Candidate once more, by a person's hand
    registered: datetime  # the newest of them
    epoch: int  # of the model's rollout fence before this look

    @property
    def superseded(self) -> tuple[int, ...]:
        return tuple(version for version in self.fresh if self.champion is not None and version < self.champion)

    @property
    def due(self) -> int | None:
        """Whose turn it is: the newest that is newer than the champion; None while a rollout is live."""
        newest = max(self.fresh, default=None)
        return None if self.live or newest in self.superseded else newest


def all_waiting(control: ControlStore) -> list[WaitingCandidates]:
    """Every model with such candidates."""
    columns = (versions.c.model, versions.c.version, versions.c.at)
    query = (
        sa.select(*columns).where(versions.c.stage == str(Stage.CANDIDATE)).order_by(versions.c.model, versions.c.version.desc())
    )
    with control.transaction() as connection:
        carried = connection.execute(sa.select(rollouts.c.model, rollouts.c.challenger).where(rollouts.c.live.is_not(None)))
        live = {row.model: row.challenger for row in carried}
        found: dict[str, list[tuple[int, str]]] = {}
        for row in connection.execute(query):
            if live.get(row.model) != row.version:
                found.setdefault(row.model, []).append((row.version, row.at))
        return [_waiting(connection, model, known, model in live) for model, known in found.items()]


def _waiting(connection: sa.Connection, model: str, known: list[tuple[int, str]], live: bool) -> WaitingCandidates:
    fresh = tuple(without_a_turn(connection, model))
    again = tuple(version for version, _ in known if version not in fresh)
    epoch = connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == f"rollout/{model}")).scalar()
    newest = max(datetime.fromisoformat(at) for _, at in known)
    return WaitingCandidates(model, route_in(connection, model)[1].champion, live, fresh, again, newest, int(epoch or 0))
