"""Who may still need a version: why the rule of its model does not take it, and when it was last of use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa

from include.core.acts import acts_in
from include.core.control import ControlStore
from include.core.spec import ModelSpec
from include.core.time import instant
from include.experiment_state import queries as experiments
from include.rollout_state import queries as rollouts
from include.routing.applied import applied
from include.routing.gateways import list_gateways
from include.routing.route import read_route, route_in
from include.versions.gate import OFFERED, RETURNED
from include.versions.given_up import registered_in
from include.versions.hold import holds_in
from include.versions.lifecycle import Stage
from include.versions.queries import standings_in

STAGES = {Stage.PRODUCTION: "it is in production", Stage.CANDIDATE: "it waits for its rollout"}
MOVED = (OFFERED, RETURNED, "rollout.return", "stage")  # acts whose detail names versions: as what each of these fields says
FIELDS = ("version", "from", "to")


def needs_in(connection: sa.Connection, model: str, spec: ModelSpec | None = None) -> dict[int, str]:
    """By number, why a version is needed now; the first reason of each. `spec`: whose experiments name versions."""
    found: dict[int, str] = {}
    for version, why in _needs(connection, model, spec):
        found.setdefault(version, why)
    return found


def _needs(connection: sa.Connection, model: str, spec: ModelSpec | None) -> Iterator[tuple[int, str]]:
    for version, held in holds_in(connection, model).items():
        yield version, held.words
    _, route = route_in(connection, model)
    parts = {"it is the champion": route.champion, "its rollout is live": route.challenger, "it is in shadow": route.shadow}
    for why, named in {**parts, "a rollback returns to it": route.previous}.items():
        if named is not None:
            yield named, why
    for version, _, live in rollouts.uses_in(connection, model):
        if live:
            yield version, f"the rollout {live} is live"
    for version, _, live in experiments.uses_in(connection, model):
        if live:
            yield version, f"the experiment {live} runs"
    for each in standings_in(connection, model=model):
        if each.stage in STAGES:
            yield each.version, STAGES[each.stage]
    for experiment in spec.experiments if spec is not None else ():
        if isinstance(experiment.treatment, int):
            yield experiment.treatment, f"the spec's experiment {experiment.name} names it"


def last_uses_in(connection: sa.Connection, model: str) -> dict[int, str]:
    """By number, when a version was last registered, moved, rolled out, tried or offered: ISO 8601, UTC."""
    found: dict[int, list[str]] = defaultdict(list)
    for version, at in registered_in(connection, model):
        found[version].append(at)
    known = set(found)
    for version, at, _ in (*rollouts.uses_in(connection, model), *experiments.uses_in(connection, model)):
        found[version].append(at)
    for act in acts_in(connection, model, MOVED):
        for name in FIELDS:
            if isinstance(number := act.detail.get(name), int) and not isinstance(number, bool):
                found[number].append(act.at)
    return {version: max(moments, key=instant) for version, moments in found.items() if version in known}


def behind(control: ControlStore, spec: ModelSpec) -> str:
    """What still follows an earlier route of the model, in words: it may serve any version of before. Empty for nothing."""
    generation, _ = read_route(control, spec.name)
    if spec.serving.target != "gateway":
        late = generation and applied(control, spec.name) < generation
        return f"its endpoint was not seen to follow route {generation} yet" if late else ""
    names = [each.name for each in list_gateways(control) if 0 < each.serves(spec.name) < generation]
    return f"not all gateways follow route {generation} yet: {', '.join(names)}" if names else ""
