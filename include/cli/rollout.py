"""`slipstream rollout status|plan|pause|resume|abort MODEL`: manual control of a rollout, with Airflow up or down."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from include.cli.context import CliContext, open_context
from include.cli.rollback import follow
from include.core.catalog import load_spec
from include.core.errors import DataError
from include.core.table import table
from include.core.time import instant, now
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
        _status(context, options.model)
    elif options.verb == "plan":
        _plan(context, options.model, options.entities)
    elif options.verb == "abort":
        done = abort(context.control, options.model, actor=context.actor, reason=options.reason)
        print(f"{done.model}: version {done.gone} is out, {_version(done.serving)} answers (route {done.generation}).")
        follow(context, done)
    else:
        act = pause if options.verb == "pause" else resume
        rollout = act(context.control, options.model, actor=context.actor, reason=options.reason)
        print(f"{options.model}: the rollout of version {rollout.challenger} is {rollout.state} in {rollout.stage}.")
    return 0


def _plan(context: CliContext, model: str, entities: int | None) -> None:
    if entities is not None and entities < 1:
        raise DataError("A plan needs at least one entity.", seen=entities, hint="give --entities N, or leave it out.")
    spec = load_spec(model, context.settings.models)
    champion = read_route(context.control, model)[1].champion
    if champion is None:
        print(f"{model} has no champion yet: its first rollout has nothing to compare with (first={spec.rollout.first}).")
        champion = 0  # the plan of the rollouts after it
    for stage in stage_powers(spec, champion, BASES, entities):
        print(stage.summary)
    for words in entities_needed(spec, champion, entities):
        print(words)


def _status(context: CliContext, model: str) -> None:
    known = list_rollouts(context.control, model)
    if not known:
        print(f"{model} has had no rollout.")
        return
    rollout = known[-1]
    why = f": {rollout.reason}" if rollout.reason else ""
    print(f"{model}: rollout {rollout.id} of version {rollout.challenger}, {rollout.state} in {rollout.stage}{why}")
    if rollout.live:
        print(f"in {rollout.stage} for {_elapsed(context, rollout)}; {_version(rollout.champion)} is the way back")
    rows = [
        [event["at"][:19], event["stage"], event["event"], _said(event["evidence"])]
        for event in events(context.control, rollout.id)
    ]
    print(table(["at (UTC)", "stage", "event", "what"], rows))


def _said(evidence: dict[str, Any]) -> str:
    words = evidence.get("reasons") or [evidence[name] for name in ("reason",) if evidence.get(name)]
    answer = evidence.get("answer", "")
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
