"""What an endpoint should be for a route, and the next step from what it is. Pure: nothing here asks AWS.

A variant is named by its version (`v7`), so that its weight is the share of a version, and what AWS says of it (weights, metrics,
captures) is said of a version. A configuration is named by a digest of its content: it never changes, and whoever makes it again
makes the same. It holds no weights of a stage: a configuration begins with all traffic on the champion, and weights are
set step by step afterwards. So a challenger's machines come up without traffic, and a step from 5 to 20 percent starts none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from include.routing.route import Route

WHOLE = 100.0  # the weights of an endpoint's variants together
TOLERANCE = 1e-4  # AWS keeps weights as floats of 32 bits

IN_SERVICE, FAILED = "InService", "Failed"
MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
"""Of an endpoint's statuses those in which AWS takes no update."""

Kind = Literal["create", "update", "weights", "delete"]


@dataclass(frozen=True)
class Wanted:
    """The endpoint that a route asks for."""

    weights: Mapping[str, float]
    """By variant, the share of the requests in percent. Empty: no version may answer."""
    shadow: str = ""
    """The variant that sees a copy of the requests."""

    @property
    def empty(self) -> bool:
        return not self.weights

    @property
    def first_weights(self) -> dict[str, float]:
        """Those that a configuration begins with: everything on its first variant, which is the champion's."""
        return {name: WHOLE if place == 0 else 0.0 for place, name in enumerate(self.weights)}


@dataclass(frozen=True)
class Seen:
    """An endpoint as AWS describes it."""

    status: str
    config: str
    modified: str
    """AWS's LastModifiedTime, ISO 8601: it tells whether anything was done since."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By production variant the weight in force; where the one that was asked for differs, that is `desired`."""
    desired: Mapping[str, float] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    shadows: tuple[str, ...] = ()
    reason: str = ""
    """AWS's FailureReason. After a rollback it may be empty, and it is gone with the next update."""

    @property
    def moving(self) -> bool:
        return self.status in MOVING


@dataclass(frozen=True)
class Step:
    """One call that changes the endpoint. `target` is what it changes it to: a configuration, or weights in words."""

    kind: Kind
    target: str
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return f"{self.kind} {self.target}"


def variant(version: int) -> str:
    return f"v{version}"


def version_of(name: str) -> int | None:
    """The version of a variant; None for a name that is none of ours."""
    return int(name[1:]) if name[:1] == "v" and name[1:].isdigit() else None


def wanted(route: Route) -> Wanted:
    """Without a champion the challenger's variant is the only one and answers all, as the route says of its first canary."""
    champion, challenger, shadow = route.champion, route.challenger, route.shadow
    if champion is None:
        return Wanted({} if challenger is None else {variant(challenger): WHOLE})
    if shadow is not None:
        return Wanted({variant(champion): WHOLE}, variant(shadow))
    if challenger is None:
        return Wanted({variant(champion): WHOLE})
    return Wanted({variant(champion): WHOLE - route.weight, variant(challenger): float(route.weight)})


def next_step(want: Wanted, config: str, seen: Seen | None) -> Step | None:
    """What is to be done now, if the endpoint is not moving; None where it is what it should be. `config`: the name of the
    configuration for `want`."""
    if seen is None:
        return None if want.empty else Step("create", config)
    if want.empty or seen.status == FAILED:  # AWS does nothing with an endpoint that failed but delete it
        return Step("delete", "")
    if seen.config != config:
        return _off_those_that_go(want, seen) or Step("update", config)
    return None if has_weights(seen, want.weights) else weights_step(want.weights)


def weights_step(weights: Mapping[str, float]) -> Step:
    return Step("weights", ", ".join(f"{name} {weight:g} %" for name, weight in weights.items()), weights)


def _off_those_that_go(want: Wanted, seen: Seen) -> Step | None:
    """Traffic leaves a variant that is to go within seconds, and not only when the machines of an update have started."""
    staying = [name for name in want.weights if seen.weights.get(name) is not None]
    going = [name for name, weight in seen.weights.items() if name not in want.weights and weight > 0]
    if not staying or not going:
        return None
    weights = {name: want.first_weights.get(name, 0.0) for name in seen.weights}
    if not any(weights.values()):
        weights[staying[0]] = WHOLE
    return None if has_weights(seen, weights) else weights_step(weights)


def has_weights(seen: Seen, weights: Mapping[str, float]) -> bool:
    """Whether these are the weights in force, of these variants, and AWS is on its way to no others."""
    return seen.weights.keys() == weights.keys() and all(
        abs(found[name] - weight) <= TOLERANCE
        for name, weight in weights.items()
        for found in (seen.weights, {**seen.weights, **seen.desired})
    )


def is_as(want: Wanted, config: str, seen: Seen | None) -> bool:
    """Whether the endpoint is what it should be: by its description alone, whatever any call has said."""
    if seen is None or want.empty:
        return seen is None and want.empty
    shadows = (want.shadow,) if want.shadow else ()
    alive = all(seen.instances.get(name, 0) > 0 for name in (*want.weights, *shadows))
    right = seen.status == IN_SERVICE and seen.config == config and seen.shadows == shadows
    return right and alive and has_weights(seen, want.weights)


def seen_of(described: Mapping[str, Any]) -> Seen:
    """From the answer of DescribeEndpoint."""
    variants = described.get("ProductionVariants", ())
    shadows = described.get("ShadowProductionVariants", ())
    return Seen(
        described["EndpointStatus"],
        described.get("EndpointConfigName", ""),
        described["LastModifiedTime"].isoformat(),
        {each["VariantName"]: float(each.get("CurrentWeight", 0.0)) for each in variants},
        {each["VariantName"]: float(each["DesiredWeight"]) for each in variants if "DesiredWeight" in each},
        {each["VariantName"]: int(each.get("CurrentInstanceCount", 0)) for each in (*variants, *shadows)},
        tuple(each["VariantName"] for each in shadows),
        described.get("FailureReason", ""),
    )
