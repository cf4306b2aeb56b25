"""Where a model stands, read from the control store alone: for the console and `slipstream status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.core.control import ControlStore
from include.costs.kept import kept
from include.costs.version import VersionCost
from include.data.published import extent
from include.experiment_state.queries import newest_experiment
from include.governance.mirror import behind
from include.monitoring.retraining.retrainings import newest as newest_decisions
from include.rollout.approval_list import approval
from include.rollout_state.queries import newest_events, newest_rollout
from include.routing.applied import newest_applied
from include.routing.route import read_route, set_at
from include.versions.lifecycle import Stage
from include.versions.shown import ShownRecord, shown_records

EVENTS = 12  # of the newest rollout
DECISIONS = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Partitions:
    newest: str  # YYYY-MM-DD; empty if none is published
    days: int


@dataclass(frozen=True)
class Overview:
    model: str
    versions: tuple[ShownRecord, ...]  # newest first
    route: Row  # as the gateway is to serve; empty before the first rollout
    rollout: Row  # the newest, live or not; empty if there was none
    approval: Row  # of that rollout, where persons are asked and it is live: include.rollout.approval_gate.Standing
    events: tuple[Row, ...]  # of that rollout, newest first
    experiment: Row  # the newest, running or not; empty if there was none
    decisions: tuple[Row, ...]  # newest first
    partitions: Partitions
    target: Row  # what an endpoint elsewhere was last seen to follow: generation, config, at; empty where gateways serve
    costs: dict[int, VersionCost]  # by version, as counted at its registration; of others nothing
    registry: str  # how far the registry is behind what stands here, in words; empty where it shows it

    @property
    def champion(self) -> ShownRecord | None:
        return next((record for record in self.versions if record.stage is Stage.PRODUCTION), None)

    @property
    def live(self) -> bool:
        return bool(self.rollout.get("live"))

    @property
    def weights(self) -> dict[str, float]:
        """Percent of the entities by version, as text: what the route says, by its rollout or its experiment."""
        split = self.route.get("experiment")
        share = split["treated"] / 100 if split else self.route.get("weight", 0)
        share = int(share) if share == int(share) else share
        shares = ((self.route.get("champion"), 100 - share), (self.route.get("challenger"), share))
        return {str(version): percent for version, percent in shares if version is not None and percent}

    def to_json(self) -> dict[str, Any]:
        champion = self.champion
        return {
            "model": self.model,
            "champion": champion.version if champion else None,
            "weights": self.weights,
            "versions": [record.to_json() for record in self.versions],
            "route": self.route,
            "rollout": self.rollout,
            "approval": self.approval,
            "events": list(self.events),
            "experiment": self.experiment,
            "decisions": list(self.decisions),
            "partitions": vars(self.partitions),
            "target": self.target,
            "costs": {str(version): cost.summary() for version, cost in self.costs.items()},
            "registry": self.registry,
        }


def overview(control: ControlStore, model: str) -> Overview:
    """One look at a model. The parts are read one after another, so a promotion may fall between two of them."""
    rollout = newest_rollout(control, model)
    newest_day, days = extent(control, model)
    return Overview(
        model=model,
        versions=tuple(reversed(shown_records(control, model))),
        route=_route(control, model),
        rollout={**rollout} if rollout else {},
        approval=_approval(control, rollout["id"]) if rollout and rollout["live"] else {},
        events=tuple({**event} for event in newest_events(control, rollout["id"], EVENTS)) if rollout else (),
        experiment=newest_experiment(control, model),
        decisions=tuple(newest_decisions(control, model, DECISIONS)),
        partitions=Partitions(str(newest_day or ""), days),
        target=_target(control, model),
        costs=kept(control, model),
        registry=_registry(control, model),
    )


def _route(control: ControlStore, model: str) -> Row:
    generation, route = read_route(control, model)
    return {**route.to_json(), "generation": generation, "at": set_at(control, model)} if generation else {}


def _approval(control: ControlStore, rollout: str) -> Row:
    found = approval(control, rollout)
    return found.to_json() if found is not None else {}


def _target(control: ControlStore, model: str) -> Row:
    found = newest_applied(control, model)
    return {**vars(found)} if found is not None else {}


def _registry(control: ControlStore, model: str) -> str:
    found = behind(control, model)
    if not found:
        return ""
    since = f" since {found[0].since[:16]}" if found[0].since else ""
    return f"its labels are behind{since}: " + (found[0].problem or f"not shown yet. Next: slipstream mirror {model}")
