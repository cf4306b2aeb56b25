"""`slipstream experiment plan|start|show|recompute|stop MODEL`: experiments by hand, with Airflow up or down."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import Exit
from include.core.errors import ConflictError, DataError, SlipstreamError
from include.core.table import table
from include.core.time import precise, utc_now
from include.experiments.look import recompute
from include.experiments.machine import start_experiment, stop
from include.experiments.planning import make_plan, words
from include.experiments.record import ExperimentRecord, StoredLook, list_experiments, live_experiment, looks, resource_of
from include.experiments.request import find_experiment, treatment_of
from include.versions.queries import at_version

VERBS = {
    "plan": "what an experiment of the spec would see, by the traffic until now",
    "start": "put entities in its arms, from now on",
    "show": "the newest experiment, or one by its id: what its looks found",
    "recompute": "make its decisions again, from the numbers kept and from the log",
    "stop": "end the live experiment before its time: it has no answer then",
}
_EXPERIMENT = {
    "model": "its name", "id": "the experiment's", "name": "in the spec", "champion": "the version of the control",
    "treatment": "the version that is tried", "state": "running, decided, stopped or interrupted",
    "answer": "better, worse, harmed, mismatch, no_difference, not_shown; empty where it has none",
    "started_at": "UTC", "ended_at": "UTC; empty while it runs",
}  # fmt: skip
_LOOKS = "each: `cutoff`, `day`, `entities` by arm, `left_out`, `answer`, `reasons`, `effects` by metric"
_PROMISE = "null where nothing is known of the traffic; else `entities`, `power`, `power_once`, `smallest`, `weeks_needed`"
SHAPES: Shapes = {
    "plan": {"model": "its name", "name": "in the spec", "promise": _PROMISE, "words": "the same, for people"},
    "start": {**_EXPERIMENT, "promise": _PROMISE, "gateway": "whether the gateways were seen to follow, in words"},
    "show": {
        "model": "its name",
        "experiment": f"null before the first; otherwise {', '.join(_EXPERIMENT)}",
        "promise": _PROMISE,
        "reasons": "why it ended",
        "looks": _LOOKS,
    },
    "recompute": {
        "model": "its name",
        "id": "the experiment's",
        "looks": "each: `cutoff`, `answer`, `decided` (the numbers lead to it), `counted` (the log leads to the numbers)",
        "same": "whether all of it came out as it was",
    },
    "stop": {**_EXPERIMENT, "gateway": "whether the gateways were seen to follow, in words"},
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("model")
    parser.add_argument("name", nargs="?", help="plan, start: of the spec; show, recompute: an experiment's id, else the newest")
    parser.add_argument("--version", type=int, help="start: the version to try, else what the spec says")
    parser.add_argument("--reason", default="asked for on the command line", help="stop: for the audit chain and for colleagues")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    if options.version is not None:
        with context.control.transaction() as connection:  # one that is not there is refused whatever is asked
            at_version(connection, options.model, options.version)
    verbs = {"plan": _plan, "start": _start, "show": _show, "recompute": _recompute, "stop": _stop}
    return verbs[options.verb](context, options)


def _plan(context: CliContext, options: argparse.Namespace) -> int:
    experiment = find_experiment(context.spec(options.model), _named(options))
    plan = make_plan(context.prediction_log, options.model, experiment, utc_now(), context.tables(options.model))
    told = words(plan)
    promise = None if plan.promise is None else plan.promise.to_json()
    answer(options, {"model": options.model, "name": experiment.name, "promise": promise, "words": told}, told)
    return Exit.DONE


def _start(context: CliContext, options: argparse.Namespace) -> int:
    spec, model = context.spec(options.model), options.model
    experiment = find_experiment(spec, _named(options))
    treatment = treatment_of(context.control, spec, experiment, options.version)
    context.require_approval(model, treatment)
    plan = make_plan(context.prediction_log, model, experiment, utc_now(), context.tables(model))
    epoch = context.control.take(resource_of(model), context.actor)
    request = f"{context.actor} at {precise()}"
    record = start_experiment(
        context.control, model, plan, treatment, request=request, actor=context.actor, epoch=epoch, spec=spec
    )  # fmt: skip
    seen = _follow(context, model)
    head = (
        f"{model}: {record.name} runs ({record.id}): version {record.treatment} against the champion, version {record.champion}."
    )
    answer(options, {**_json(record), "promise": _promise(record), "gateway": seen}, [head, *words(record.plan), seen])
    return Exit.DONE


def _stop(context: CliContext, options: argparse.Namespace) -> int:
    live = live_experiment(context.control, options.model)
    if live is None:
        raise ConflictError(f"{options.model} has no live experiment.", safe="nothing changed.")
    epoch = context.control.take(live.resource, context.actor)
    stop(context.control, live, reason=options.reason, actor=context.actor, epoch=epoch)
    seen = _follow(context, options.model)
    (record,) = (each for each in list_experiments(context.control, options.model) if each.id == live.id)
    head = f"{options.model}: {record.name} was stopped by hand; it has no answer, and the champion answers all."
    answer(options, {**_json(record), "gateway": seen}, [head, seen])
    return Exit.DONE


def _show(context: CliContext, options: argparse.Namespace) -> int:
    record = _found(context, options)
    if record is None:
        nothing = {"model": options.model, "experiment": None, "promise": None, "reasons": [], "looks": []}
        answer(options, nothing, f"{options.model} has had no experiment.")
        return Exit.DONE
    taken = looks(context.control, record.id)
    shown = [
        {
            "cutoff": look.cutoff, "day": look.evidence["day"], "entities": look.evidence["entities"],
            "left_out": look.evidence["left_out"], **look.decision,
        }
        for look in taken
    ]  # fmt: skip
    reasons = list(record.decision.get("reasons", ()))
    value = {"model": record.model, "experiment": _json(record), "promise": _promise(record), "reasons": reasons, "looks": shown}
    answer(options, value, _told(record, taken, reasons))
    return Exit.DONE


def _recompute(context: CliContext, options: argparse.Namespace) -> int:
    record = _found(context, options)
    if record is None:
        raise DataError(f"{options.model} has had no experiment.")
    of_tables = any(metric.table for metric in record.plan.experiment.metrics)
    tables = context.tables(record.model) if of_tables else None
    again = [recompute(record, look, context.prediction_log, tables) for look in looks(context.control, record.id)]
    same = all(each.decided and each.counted is not False for each in again)
    rows = [[each.cutoff, each.answer or "-", _yes(each.decided), _yes(each.counted)] for each in again]
    lines = [table(["cutoff (UTC)", "answer", "numbers lead to it", "log leads to the numbers"], rows)]
    if not same:
        lines.append("The log may have lost requests since (redacted, cleared away), or a gateway shipped some late.")
    value = {"model": record.model, "id": record.id, "looks": [asdict(each) for each in again], "same": same}
    answer(options, value, lines)
    return Exit.DONE if same else Exit.FOUND


def _told(record: ExperimentRecord, taken: Sequence[StoredLook], reasons: Sequence[str]) -> Iterator[str]:
    ended = f", until {record.ended_at[:16]}" if record.ended_at else ""
    said = record.answer or record.state
    yield f"{record.model}: {record.name} ({record.id}), version {record.treatment} against {record.champion}: {said}"
    yield f"from {record.started_at[:16]} UTC{ended}; planned to {record.plan.end.isoformat()[:16]}"
    yield from reasons
    yield from words(record.plan)
    if not taken:
        yield "No look has been taken yet."
        return
    last = taken[-1]
    arms, left = last.evidence["entities"], last.evidence["left_out"]
    counted = f"{arms['control']:,} entities of the champion, {arms['treatment']:,} of the treatment"
    yield f"look {last.evidence['day']}, up to {last.cutoff[:16]}: {counted}"
    if left:
        yield f"left out: {', '.join(f'{count:,} {name}' for name, count in left.items())}"
    rows = [[name, *_row(effect)] for name, effect in last.decision["effects"].items()]
    yield table(["metric", "champion", "treatment", "difference", "interval", "p"], rows)


def _row(effect: Mapping[str, Any]) -> list[str]:
    interval = "none" if effect["low"] is None else f"{effect['low']:.4g} to {effect['high']:.4g}"
    numbers = ["-" if effect[name] is None else f"{effect[name]:.4g}" for name in ("control", "treatment", "difference")]
    return [*numbers, interval if effect["trusted"] else f"{interval} (not trusted)", f"{effect['adjusted_p']:.2g}"]


def _found(context: CliContext, options: argparse.Namespace) -> ExperimentRecord | None:
    """By its id, or the newest of its name, or the newest of all. Raises DataError for a word that is neither."""
    known = list_experiments(context.control, options.model)
    mine = [each for each in known if options.name in (None, each.id, each.name)]
    if known and not mine:
        raise DataError(
            f"{options.model} has had no experiment {options.name!r}.",
            seen=", ".join(f"{each.name} ({each.id})" for each in known),
        )
    return mine[-1] if mine else None


def _follow(context: CliContext, model: str) -> str:
    """The gateways follow by themselves; whether they were seen to is only told."""
    from include.routing.route import read_route

    generation = read_route(context.control, model)[0]
    try:
        context.gateway().wait_applied(model, generation, timeout=12.0)
    except SlipstreamError as error:
        return f"The gateways were not seen to follow: {error.what} They do as soon as they read the control store."
    return "The gateways that are alive serve it."


def _named(options: argparse.Namespace) -> str:
    if not options.name:
        raise DataError(
            f"Which experiment of {options.model}?", hint=f"slipstream experiment {options.verb} {options.model} NAME"
        )
    return str(options.name)


def _json(record: ExperimentRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _EXPERIMENT}


def _promise(record: ExperimentRecord) -> dict[str, float | int | None] | None:
    return None if record.plan.promise is None else record.plan.promise.to_json()


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "NO", None: "not read"}[value]
