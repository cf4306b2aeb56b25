"""`slipstream status`: what answers, and where every model stands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from include.cli.answer import Shapes, answer
from include.cli.components import Component, components
from include.cli.context import CliContext, open_context
from include.cli.online import Online, online_facts
from include.core.catalog import feature_set_names, model_names
from include.core.errors import NotReadyError
from include.core.request import Json
from include.core.table import table
from include.governance.jobs import live
from include.overview.standing import Overview, overview
from include.routing.gateways import Gateway, list_gateways

SHOWN = 5  # routes of a gateway that a row names
SHAPES: Shapes = {
    "": {
        "components": "`name`, `address`, `problem` (empty where it answers)",
        "gateways": "all that report themselves: `gateway`, `place`, `host`, `pid`, `release`, `started`, `alive`, `silent` "
        "(seconds), `heard`, `serves` (by model the route's generation), `refused`",
        "feature_sets": "`name`, `partitions` (`newest`, `days`), `online`",
        "models": "where each stands: `champion`, `weights`, `versions`, `rollout`, `decisions`, `partitions`, `target` ...",
        "jobs": "the names of those under way",
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="only this one")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    parts = components(context.settings)
    known: list[Gateway] = []
    try:
        known = list_gateways(context.control)
        models = [overview(context.control, name) for name in _names(context, options.model, sets=False)]
        sets = [overview(context.control, name) for name in _names(context, options.model, sets=True)]
    except NotReadyError as error:
        models, sets = [], []
        parts.append(Component("control store", context.settings.control_url, error.what))
    jobs = [attempt.job for attempt in live(context.ledger)]
    online = {seen.model: online_facts(context, seen) for seen in (*models, *sets)}
    words = [] if options.json else ["\n\n".join(_text(parts, known, models, sets, jobs, online))]
    answer(options, _json(parts, known, models, sets, jobs, online), words)
    return 0


def _names(context: CliContext, only: str | None, *, sets: bool) -> list[str]:
    """Of feature sets, or of models: all, or the one that was asked for if it is of that kind."""
    there = feature_set_names(context.settings.models)
    if only is not None:
        return [only] if (only in there) is sets else []
    return there if sets else model_names(context.settings.models)


def _text(
    parts: list[Component], known: list[Gateway], models: list[Overview], sets: list[Overview], jobs: list[str],
    online: dict[str, Online],
) -> Iterator[str]:  # fmt: skip
    yield table(("part", "address", "state"), [(part.name, part.address, part.problem or "answers") for part in parts])
    if known:
        yield table(("gateway", "listens at", "state", "serves routes"), [_gateway_row(each) for each in known])
    yield from (_feature_set(seen, online[seen.model]) for seen in sets)
    yield from (_model(model, online[model.model]) for model in models)
    yield "jobs under way: " + (", ".join(jobs) if jobs else "none")


def _gateway_row(seen: Gateway) -> tuple[str, ...]:
    state = "alive" if seen.alive else f"silent since {seen.heard[:19]} UTC"
    refused = "".join(f"; refused {generation} of {model}" for model, (generation, _) in seen.report.refused.items())
    routes = [f"{generation} of {model}" for model, generation in sorted(seen.report.applied.items())]
    more = f" and {len(routes) - SHOWN} more" if len(routes) > SHOWN else ""
    served = ", ".join(routes[:SHOWN]) + more
    return seen.identity.gateway, f"{seen.identity.place} on {seen.identity.host}", state, (served or "none") + refused


def _model(seen: Overview, online: Online) -> str:
    facts = [*_facts(seen), *(("online", words) for words in online.words)]
    return "\n".join([f"{seen.model}:", *(f"  {name:<11}{value}" for name, value in facts)])


def _feature_set(seen: Overview, online: Online) -> str:
    facts = [("partitions", _partitions(seen)), *(("online", words) for words in online.words)]
    return "\n".join([f"{seen.model} (feature set):", *(f"  {name:<11}{value}" for name, value in facts)])


def _partitions(seen: Overview) -> str:
    return f"{seen.partitions.days} published, the newest {_day(seen.partitions.newest)}"


def _tried(experiment: Mapping[str, Any]) -> str:
    said = "runs" if experiment["state"] == "running" else experiment["answer"] or experiment["state"]
    return f"{experiment['name']}, version {experiment['treatment']} against {experiment['champion']}: {said}"


def _facts(seen: Overview) -> Iterator[tuple[str, str]]:
    champion = seen.champion
    yield (
        "champion",
        f"version {champion.version} ({champion.semver}), as of {champion.entry.as_of[:16]}" if champion else "none yet",
    )
    if champion and champion.override:
        yield "gate", champion.override.words
    yield "weights", ", ".join(f"version {version} {share} %" for version, share in seen.weights.items()) or "nothing is served"
    if seen.target:
        yield "endpoint", _endpoint(seen)
    if seen.live:
        paused = f", paused: {seen.rollout['reason']}" if seen.rollout["state"] == "paused" else ""
        yield "rollout", f"version {seen.rollout['challenger']} is in {seen.rollout['stage'] or 'its opening'}{paused}"
        if seen.approval:
            yield "approval", str(seen.approval["words"])
    elif seen.rollout:
        why = f": {seen.rollout['reason']}" if seen.rollout["reason"] else ""
        yield "rollout", f"none live; the last, of version {seen.rollout['challenger']}, was {seen.rollout['state']}{why}"
    else:
        yield "rollout", "none yet"
    if seen.experiment:
        yield "experiment", _tried(seen.experiment)
    if seen.decisions:
        last = seen.decisions[0]
        why = _reasons(last["reasons"])
        yield "decision", f"{last['action']} as of {last['as_of'][:16]}" + (f": {why}" if why else "")
    else:
        yield "decision", "none yet"
    yield "partitions", _partitions(seen)
    if champion and (cost := seen.costs.get(champion.version)):
        yield "cost", cost.words()
    yield "versions", str(len(seen.versions))
    if seen.registry:
        yield "registry", seen.registry


def _endpoint(seen: Overview) -> str:
    """What the endpoint elsewhere was seen to follow, and whether the route has moved on."""
    words = f"follows route {seen.target['generation']} ({seen.target['config'] or 'nothing'}) since {seen.target['at'][:19]} UTC"
    wanted = int(seen.route.get("generation", 0))
    return words if wanted <= seen.target["generation"] else f"{words}; route {wanted} is not yet in force"


def _day(newest: str) -> str:
    """A day, and what the id of the run that made it says: its interval's end."""
    if not newest:
        return "–"
    if len(newest) != len("2013-01-02"):
        return f"{newest} (its run's id says the end of its interval)"
    return f"{newest} (its run's id says {date.fromisoformat(newest) + timedelta(days=1)}, the end of its interval)"


def _reasons(reasons: Json) -> str:
    return "; ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)


def _json(
    parts: list[Component], known: list[Gateway], models: list[Overview], sets: list[Overview], jobs: list[str],
    online: dict[str, Online],
) -> dict[str, Any]:  # fmt: skip
    shared = [{"name": s.model, "partitions": vars(s.partitions), "online": online[s.model].to_json()} for s in sets]
    shown = [{**seen.to_json(), "online": online[seen.model].to_json()} for seen in models]
    gateways = [each.to_json() for each in known]
    components = [vars(part) for part in parts]
    return {"components": components, "gateways": gateways, "feature_sets": shared, "models": shown, "jobs": jobs}
