"""`slipstream search MODEL`: a search for parameters, how far it is and what it has found; also of one that is under way."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.errors import DataError
from include.core.ledger import Attempt, Ledger, metrics_folder
from include.core.table import table
from include.problems.metric import Metric
from include.problems.of import of_params
from include.step_values.training import TuneValue
from include.training.search.followed import deliver
from include.training.search.importance import importance
from include.training.search.page import searched
from include.training.search.records import Records
from include.training.search.value import value_of
from include.training.tune_step import is_typed, metric_of, read_so_far, records_folder

SHAPES: Shapes = {
    "": {
        "model": "its name",
        "key": "the key of the search in the ledger",
        "done": "whether its result is committed",
        "metric": "the metric that chooses; null before the first trial was measured",
        "params": "the best parameters; null before the first trial was measured",
        "best": "the number of the trial they are of",
        "epochs": "that all trials together were given",
        "curve": "the best value so far: pairs of epochs and value",
        "importance": "by parameter, the share of the differences between trials that goes with it alone",
        "trials": "each trial: `trial`, `params`, `epochs`, the metric by its name, `legs`, `error` where it failed",
        "report": "where its page is; null before it is done",
        "delivered": "with --deliver: metrics that the registry's server lacked; else null",
    }
}
SHOWN = 20  # trials that are listed


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--key", help="the search's key or its beginning; by default the newest")
    parser.add_argument("--deliver", action="store_true", help="bring the registry's server what it lacks of its trials")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    ledger = context.ledger
    key = _found(ledger, options.model, options.key)
    value, metric, report = _so_far(context, key)
    delivered = _deliver(context, options.model, key) if options.deliver else None
    empty: dict[str, Any] = {"metric": None, "params": None, "best": None, "epochs": 0, "curve": [], "trials": []}
    of_parameters = importance(value, searched(value)) if value is not None else {}
    told = {"model": options.model, "key": key, "done": report is not None, **(value or empty), "importance": of_parameters}
    answer(options, {**told, "report": report, "delivered": delivered}, _words(told, metric, report, delivered))
    return 0


def _found(ledger: Ledger, model: str, beginning: str | None) -> str:
    """The newest search of the model, or the one whose key begins so. Raises DataError."""
    known = [key for key in ledger.requested("tune") if ledger.request(key).model == model]
    if beginning:
        known = [key for key in known if key.startswith(beginning) or key.partition("/")[2].startswith(beginning)]
    known = [key for key in known if is_typed(ledger.request(key).params["training"])]
    if not known:
        raise DataError(
            f"There is no search of {model!r}{f' whose key begins with {beginning!r}' if beginning else ''}.",
            safe="nothing was changed.",
            hint="give the spec a `training.search=Search(...)`, and ask for it: `slipstream fit MODEL --tune`, or a run with "
            "the parameter `tune`.",
        )
    return max(known, key=lambda key: _begun(ledger, key))


def _begun(ledger: Ledger, key: str) -> datetime:
    """When the search's newest generation was begun."""
    return ledger.opened_at(Attempt(key, ledger.generation(key), 1)) or datetime.min.replace(tzinfo=UTC)


def _so_far(context: CliContext, key: str) -> tuple[TuneValue | None, Metric, str | None]:
    """What the search has come to: its result's value, or what its records say; None before a trial was measured."""
    ledger, request = context.ledger, context.ledger.request(key)
    training, problem = request.params["training"], of_params(request.params)
    name = metric_of(training, problem)
    result = ledger.result(key)
    if result is not None:
        return result.read(TuneValue), problem.metric(name), ledger.storage.uri(result.files["report.html"].path)
    folder = f"ledger/{key}/g{ledger.generation(key)}/checkpoints"
    trials = read_so_far(training, Records(ledger.storage, records_folder(folder)), problem.metric(name))
    value = value_of(trials, name, problem.metric(name)) if trials.best() is not None else None
    return value, problem.metric(name), None


def _deliver(context: CliContext, model: str, key: str) -> int:
    ledger = context.ledger
    return deliver(context.settings, ledger.storage, metrics_folder(key, ledger.generation(key)), model)


def _words(told: Mapping[str, Any], metric: Metric, report: str | None, delivered: int | None) -> Iterator[str]:
    state = "is done" if told["done"] else "is under way, or was"
    yield f"The search {told['key']} of {told['model']} {state}: {len(told['trials'])} trials, {told['epochs']} epochs."
    if told["params"] is None:
        yield "No trial was measured yet."
        return
    name, sign = told["metric"], -1 if metric.higher_is_better else 1
    ranked = sorted(
        (trial for trial in told["trials"] if trial[name] is not None), key=lambda each: (-each["epochs"], sign * each[name])
    )
    names = searched({"params": told["params"], "trials": told["trials"]})
    rows = [
        [each["trial"], *(_short(each["params"].get(n)) for n in names), each["epochs"], each[name]] for each in ranked[:SHOWN]
    ]
    yield table(["trial", *names, "epochs", metric.title], rows)
    failed = [trial for trial in told["trials"] if "error" in trial]
    if failed:
        yield f"{len(failed)} failed, first: {failed[0]['error']}"
    if told["importance"]:
        yield "What mattered: " + ", ".join(f"{each} {share:.0%}" for each, share in told["importance"].items()) + "."
    yield f"Trial {told['best']} is the best of those that went the furthest." + (f" Its page: {report}" if report else "")
    if delivered is not None:
        yield f"{delivered} metrics were delivered."


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value
