"""`slipstream rollout status|plan|pause|resume|abort MODEL`: manual control of a rollout, with Airflow up or down."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.rollback import FOLLOWED, MOVED, follow, plain_move
from include.core.catalog import load_spec
from include.core.errors import DataError
from include.core.table import table
from include.core.time import instant, now
from include.costs.kept import kept
from include.costs.version import VersionCost
from include.rollout.approval_gate import names_in
from include.rollout.approval_list import approval
from include.rollout.evidence_store import SILENT, Reporting, reporting
from include.rollout.history import Rollout, entered, events, list_rollouts
from include.rollout.pause import abort, pause, resume
from include.rollout.power import entities_needed, stage_powers
from include.routing.route import read_route

VERBS = {
    "status": "the newest rollout: its stages, what they saw and why",
    "plan": "the traffic the next rollout needs, and the smallest effect it can see",
    "pause": "keep the traffic as it is; the judge may still roll back",
    "resume": "go on where it was paused",
    "abort": "end the live rollout: the champion answers all",
}
BASES = (0.01, 0.005, 0.001)  # error rates of a champion that the plan is printed for

_ROLLOUT = {
    "model": "its name", "id": "the rollout's", "challenger": "the version that is rolled out", "champion": "the way back",
    "stage": "where it is", "state": "running, paused, promoted or rolled_back", "reason": "why, in words",
}  # fmt: skip
_EVENTS = "what happened: `at`, `stage`, `event`, `evidence`"
_PLANNED = "for each stage and error rate of the champion (`base`): `requests`, `power`, `smallest` ..."
SHAPES: Shapes = {
    "status": {
        "model": "its name",
        "rollout": f"null before the first; otherwise {', '.join(_ROLLOUT)}",
        "events": _EVENTS,
        "approval": "of a live rollout that asks persons: `words`, `missing`, `until`, `approvals`, `seen`, ...; null otherwise",
        "sources": "the gateways that count for its stage: `source`, `requests`, `at`",
        "costs": "of challenger and champion, by version, as `cost` tells them; nothing of one that was not counted",
    },
    "plan": {"model": "its name", "champion": "null: none yet", "stages": _PLANNED, "entities": "how many it takes, in words"},
    "pause": _ROLLOUT,
    "resume": _ROLLOUT,
    "abort": {**MOVED, **FOLLOWED},
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("model")
    parser.add_argument("--reason", default="asked for on the command line", help="for the audit chain and for colleagues")
    parser.add_argument(
        "--entities", type=int, metavar="N", help="plan: how many distinct entities (keys) ask while a stage lasts"
    )


def run(options: argparse.Namespace) -> int:
    context = open_context()
    if options.verb == "status":
        _status(context, options)
    elif options.verb == "plan":
        _plan(context, options)
    elif options.verb == "abort":
        done = abort(context.control, options.model, actor=context.actor, reason=options.reason)
        print(f"{done.model}: version {done.gone} is out, {_version(done.serving)} answers (route {done.generation}).")
        answer(options, {**plain_move(done), **follow(context, done)})
    else:
        act = pause if options.verb == "pause" else resume
        rollout = act(context.control, options.model, actor=context.actor, reason=options.reason)
        words = f"{options.model}: the rollout of version {rollout.challenger} is {rollout.state} in {rollout.stage}."
        answer(options, _json(rollout), words)
    return 0


def _json(rollout: Rollout) -> dict[str, object]:
    return {name: getattr(rollout, name) for name in _ROLLOUT}


def _plan(context: CliContext, options: argparse.Namespace) -> None:
    model, entities = options.model, options.entities
    if entities is not None and entities < 1:
        raise DataError("A plan needs at least one entity.", seen=entities, hint="give --entities N, or leave it out.")
    spec = load_spec(model, context.settings.models)
    champion = read_route(context.control, model)[1].champion
    if champion is None:
        print(f"{model} has no champion yet: its first rollout has nothing to compare with (first={spec.rollout.first}).")
    after = champion or 0  # before the first champion: the plan of the rollouts after it
    stages = list(stage_powers(spec, after, BASES, entities))
    needed = list(entities_needed(spec, after, entities))
    shown = {"model": model, "champion": champion, "stages": stages, "entities": needed}
    answer(options, shown, [*(stage.summary for stage in stages), *needed])


def _status(context: CliContext, options: argparse.Namespace) -> None:
    model = options.model
    known = list_rollouts(context.control, model)
    if not known:
        answer(
            options,
            {"model": model, "rollout": None, "events": [], "approval": None, "sources": [], "costs": {}},
            f"{model} has had no rollout.",
        )
        return
    rollout = known[-1]
    happened = events(context.control, rollout.id)
    _print_status(context, rollout, happened)
    shown = [{name: event[name] for name in ("at", "stage", "event", "evidence")} for event in happened]
    sources = [asdict(source) for source in _reporting(context, rollout)]
    costs = {str(version): cost.to_json() for version, cost in _costs(context, rollout).items()}
    asked = approval(context.control, rollout.id) if rollout.live else None
    told = {"events": shown, "approval": None if asked is None else asked.to_json(), "sources": sources, "costs": costs}
    answer(options, {"model": model, "rollout": _json(rollout), **told})


def _print_status(context: CliContext, rollout: Rollout, happened: Sequence[Mapping[str, Any]]) -> None:
    why = f": {rollout.reason}" if rollout.reason else ""
    print(f"{rollout.model}: rollout {rollout.id} of version {rollout.challenger}, {rollout.state} in {rollout.stage}{why}")
    if rollout.live:
        print(f"in {rollout.stage} for {_elapsed(context, rollout)}; {_version(rollout.champion)} is the way back")
        if (asked := approval(context.control, rollout.id)) is not None:
            print(f"version {rollout.challenger} {asked.words} (to see: {asked.seen[:12]})")
        if rollout.stage != "opened" and rollout.find(rollout.stage).judged:
            print(_heard(_reporting(context, rollout)))
    for version, cost in _costs(context, rollout).items():
        print(f"version {version} costs: {cost.words()}")
    rows = [[event["at"][:19], event["stage"], event["event"], _said(event["evidence"])] for event in happened]
    print(table(["at (UTC)", "stage", "event", "what"], rows))


def _costs(context: CliContext, rollout: Rollout) -> dict[int, VersionCost]:
    """Of both versions, as it was counted when they were registered."""
    found = kept(context.control, rollout.model)
    return {version: found[version] for version in (rollout.challenger, rollout.champion) if version in found}


def _reporting(context: CliContext, rollout: Rollout) -> list[Reporting]:
    """The gateways that count for the stage of a live rollout; none where it is not judged on traffic."""
    if not rollout.live or rollout.stage == "opened":
        return []
    return reporting(context.control, rollout.id, entered(context.control, rollout, rollout.stage)[1])


def _heard(sources: Sequence[Reporting]) -> str:
    if not sources:
        return SILENT[:1].upper() + SILENT[1:]
    requests = sum(source.requests for source in sources)
    newest = max(source.at for source in sources)[:19]
    gateways = "1 gateway" if len(sources) == 1 else f"{len(sources)} gateways"
    return f"evidence of {gateways}: {requests:,} requests, newest at {newest} UTC"


def _said(evidence: dict[str, Any]) -> str:
    words = evidence.get("reasons") or [evidence[name] for name in ("reason",) if evidence.get(name)]
    answer = evidence.get("answer", "") or ", ".join(names_in(evidence))
    return ": ".join(filter(None, (answer, "; ".join(_strings(words)))))


def _strings(words: Iterable[object]) -> list[str]:
    return [str(word) for word in words]


def _elapsed(context: CliContext, rollout: Rollout) -> str:
    if rollout.stage == "opened":
        return "its opening"
    since, _ = entered(context.control, rollout, rollout.stage)
    return str(now() - instant(since)).split(".")[0]


def _version(number: int | None) -> str:
    return f"version {number}" if number is not None else "the default score"
