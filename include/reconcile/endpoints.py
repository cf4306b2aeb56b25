"""Routes that a serving target elsewhere does not follow yet, and nobody waits for any more: the task that moved the traffic was
killed, or a rollback was made by hand. Gateways follow their routes by themselves; what is elsewhere is moved from here.

One call a pass and model, without waiting: the next pass sees what came of it. A change towards a challenger that was rolled back
is left to the rollout's own task, whose verdict it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from include.core.errors import SlipstreamError
from include.core.spec import ModelSpec
from include.reconcile.world import Finding, World
from include.routing.applied import applied
from include.routing.route import read_route
from include.serving.target import GATEWAY

log = logging.getLogger(__name__)


def find(world: World) -> Iterator[Finding]:
    """The models whose target has not been seen to follow their route."""
    for model in world.models:
        spec = _spec(world, model)
        if spec is None or spec.serving.target == GATEWAY or world.target is None:
            continue
        generation = read_route(world.control, model)[0]
        if generation > (seen := applied(world.control, model)):
            yield Finding(
                "target",
                f"target/{model}/{generation}",
                model,
                f"{model} has route {generation}, and its {spec.serving.target} endpoint was last seen to follow {seen}",
                "one step towards the route, at each pass",
                partial(_advance, world, spec),
            )


def _spec(world: World, model: str) -> ModelSpec | None:
    try:
        return world.spec(model)
    except SlipstreamError:  # its folder is broken: others say so
        return None


def _advance(world: World, spec: ModelSpec) -> bool:
    assert world.target is not None
    try:
        doing = world.target(spec).advance(spec.name)
    except SlipstreamError as error:
        log.warning("the target of %s: %s", spec.name, error)
        return False
    log.info("the target of %s: %s", spec.name, doing or "it follows the route")
    return True
