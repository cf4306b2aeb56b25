"""How all models are, for the page that lists them: a fixed number of queries, however many models and windows there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from include.core.control import ControlStore
from include.core.spec import ModelSpec
from include.core.time import instant, now
from include.costs.kept import kept_of
from include.costs.version import VersionCost
from include.data.extents import Extent, extents_in
from include.monitoring.retraining.retrainings import newest_of_all as newest_decisions
from include.monitoring.windows import newest_of_all as newest_windows
from include.rollout_state.queries import live_rollouts_in
from include.routing.gateways import Gateway, list_gateways
from include.routing.standings import Standing as Routed
from include.routing.standings import standings_in as routes_in
from include.versions.counts import counts_in
from include.versions.lifecycle import Stage
from include.versions.queries import Standing as Version
from include.versions.queries import standings_in

Health = Literal["failing", "worse", "drift", "stale", "waiting", "healthy"]
LATE = 3  # partitions' lengths without a new one
Row = dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """A model in a line. Times are ISO 8601, UTC; what is not known is None or empty."""

    model: str
    owner: str
    description: str
    health: Health
    why: str  # of that health, in words
    champion: int | None
    semver: str
    versions: int
    data_until: str
    published: int
    published_at: str
    late: bool
    window: Row  # the newest: metric, value, expected, drift, critical, drift_verdict, labelled, rows; empty before the first
    decision: Row  # the newest: action, as_of, words
    rollout: Row  # the live one: challenger, stage, state, since, paged
    alerts: tuple[str, ...]
    cost: Row  # of the champion: money of its training, of a thousand answers (None: unknown), unit, words
    broken: str = ""  # why its spec cannot be loaded

    def to_json(self) -> Row:
        return {**asdict(self), "alerts": list(self.alerts)}


@dataclass(frozen=True)
class _Stores:
    """What one look at the stores has found, by model."""

    champions: Mapping[str, Version]
    versions: Mapping[str, int]
    routes: Mapping[str, Routed]
    rollouts: Mapping[str, Row]
    partitions: Mapping[str, Extent]
    windows: Mapping[str, Mapping[str, Any]]
    decisions: Mapping[str, Row]
    costs: Mapping[str, VersionCost]
    gateways: Sequence[Gateway]


def fleet(control: ControlStore, specs: Mapping[str, ModelSpec], broken: Mapping[str, str]) -> list[Standing]:
    """Of the models that can be loaded, and of those that cannot, by name. The parts are read one after another."""
    names = sorted({*specs, *broken})
    stores, at = _read(control), now()
    return [_standing(name, specs.get(name), broken.get(name, ""), stores, at) for name in names]


def _read(control: ControlStore) -> _Stores:
    windows = newest_windows(control)
    with control.transaction() as connection:
        champions = {each.model: each for each in standings_in(connection, stage=Stage.PRODUCTION)}
        versions, routes, rollouts = counts_in(connection), routes_in(connection), live_rollouts_in(connection)
        partitions = extents_in(connection)
        decisions = newest_decisions(connection, {model: window["window"] for model, window in windows.items()})
    costs = kept_of(control, ((name, each.version) for name, each in champions.items()))
    return _Stores(champions, versions, routes, rollouts, partitions, windows, decisions, costs, list_gateways(control))


def _standing(name: str, spec: ModelSpec | None, broken: str, stores: _Stores, at: datetime) -> Standing:
    champion, window, rollout = stores.champions.get(name), stores.windows.get(name, {}), stores.rollouts.get(name, {})
    partition = stores.partitions.get(name)
    late = _late(spec, partition, at)
    alerts = tuple(_alerts(name, stores, rollout))
    route = stores.routes.get(name)
    serving = champion.version if champion else None
    if route is not None and route.champion is not None:  # what the gateways do
        serving = route.champion
    judged = _health(broken, alerts, window, late=late, serves=serving is not None)
    return Standing(
        model=name,
        owner=spec.owner if spec else "",
        description=spec.description if spec else "",
        health=judged[0],
        why=judged[1],
        champion=serving,
        semver=champion.semver if champion and champion.version == serving else "",
        versions=stores.versions.get(name, 0),
        data_until=partition.ends if partition else "",
        published=partition.days if partition else 0,
        published_at=partition.at if partition else "",
        late=late,
        window={key: window.get(key) for key in WINDOW} if window else {},
        decision=stores.decisions.get(name, {}),
        rollout=rollout,
        alerts=alerts,
        cost=_cost(stores.costs.get(name)),
        broken=broken,
    )


WINDOW = (
    "window",
    "metric",
    "value",
    "error",
    "expected",
    "drift",
    "critical",
    "drift_verdict",
    "rows",
    "labelled",
    "performance",
)


def _health(broken: str, alerts: tuple[str, ...], window: Mapping[str, Any], *, late: bool, serves: bool) -> tuple[Health, str]:
    """The worst that is known, and why."""
    alarms = window.get("alarms", {})
    if broken:
        return "failing", broken
    if alerts:
        return "failing", "; ".join(alerts)
    if alarms.get("performance"):
        return "worse", str(window["performance"])
    if any(alarm for kind, alarm in alarms.items() if kind != "performance"):
        return "drift", str(window["drift_words"])
    if late:
        return "stale", f"no partition was published for more than {LATE} of its lengths"
    if not serves:
        return "waiting", "no version is in production yet"
    return "healthy", "nothing speaks against it"


def _late(spec: ModelSpec | None, partition: Extent | None, at: datetime) -> bool:
    """Whether the model's data stopped coming, by the clock. One whose data end as its spec says is not late."""
    if spec is None or partition is None:
        return False
    if spec.data.last is not None and partition.ends[:10] > spec.data.last.isoformat():
        return False
    return at - instant(partition.at) > LATE * max(spec.data.every, timedelta(days=1))


def _alerts(name: str, stores: _Stores, rollout: Row) -> Iterator[str]:
    if rollout.get("paged"):
        yield f"the rollout of version {rollout['challenger']} paged: {rollout['paged']}"
    route = stores.routes.get(name)
    for gateway in stores.gateways if route else ():
        if route and gateway.alive and (refused := gateway.refusal(name, route.generation)):
            yield f"{gateway.name} refuses its route: {'; '.join(refused.values())}"


def _cost(cost: VersionCost | None) -> Row:
    if cost is None:
        return {}
    money, unknown = cost.training
    return {
        "training": money,
        "unknown": unknown,
        "thousand": cost.thousand_money,
        "unit": cost.prices.unit,
        "words": cost.words(),
    }


def counted(standings: Iterable[Standing]) -> dict[str, int]:
    """How many of each health, worst first; those of which there are none as well."""
    every: tuple[Health, ...] = ("failing", "worse", "drift", "stale", "waiting", "healthy")
    found = [each.health for each in standings]
    return {name: found.count(name) for name in every}
