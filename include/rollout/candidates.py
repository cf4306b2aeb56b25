"""The candidates of every model in one look: whose turn it is, and who will never have one (include/rollout/waiting.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.effects import epoch_in
from include.experiment_state.queries import live_models_in
from include.rollout.waiting import without_a_turn
from include.rollout_state.queries import challengers_in
from include.routing.route import route_in
from include.versions.lifecycle import Stage
from include.versions.queries import standings_in


@dataclass(frozen=True)
class WaitingCandidates:
    """A model's candidates that are not being rolled out, newest first."""

    model: str
    champion: int | None
    live: bool  # whether a rollout is, or an experiment: then they wait for its end
    fresh: tuple[int, ...]  # neither rolled out, superseded nor offered again by a person yet
    again: tuple[int, ...]  # a Candidate once more, offered again by a person
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
    with control.transaction() as connection:
        live = challengers_in(connection)
        found: dict[str, list[tuple[int, str]]] = {}
        for each in reversed(standings_in(connection, stage=Stage.CANDIDATE)):
            if live.get(each.model) != each.version:  # an experiment's version has had no turn yet
                found.setdefault(each.model, []).append((each.version, each.registered))
        held = live.keys() | live_models_in(connection)
        return [_waiting(connection, model, found[model], model in held) for model in sorted(found)]


def _waiting(connection: sa.Connection, model: str, known: list[tuple[int, str]], live: bool) -> WaitingCandidates:
    fresh = tuple(without_a_turn(connection, model))
    again = tuple(version for version, _ in known if version not in fresh)
    epoch = epoch_in(connection, f"rollout/{model}")
    newest = max(datetime.fromisoformat(at) for _, at in known)
    return WaitingCandidates(model, route_in(connection, model)[1].champion, live, fresh, again, newest, epoch)
