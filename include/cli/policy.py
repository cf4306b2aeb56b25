"""`slipstream policy replay MODEL`: what a retraining policy would have done, and cost, over the model's history or a CSV."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.core.catalog import load_spec
from include.core.errors import DataError, SpecError
from include.core.spec import Retraining
from include.core.table import table
from include.monitoring.retraining.decision import history
from include.monitoring.retraining.hedge import place
from include.monitoring.retraining.labelled_stream import Floats, from_csv
from include.monitoring.retraining.policy import Decision
from include.monitoring.retraining.policy_replay import (
    DELAY,
    TRAINED_ON,
    Policy,
    Priced,
    decided,
    errors,
    every,
    never,
    oracle,
    replay,
)

SHAPES: Shapes = {
    "replay": {
        "model": "its name", "policy": "the section `retraining` that was replayed",
        "windows": "of the record: `as_of`, `recorded`, `would`, `why`", "older": "decisions that kept no facts",
        "retrains": "`recorded` and `would`, as counts",
        "stream": "with --csv: `name`, `windows` served; null otherwise",
        "costs": "by policy: `retrains`, `error`, `cost`, `regret`; empty where the errors of other choices are not known",
        "retrained_before": "the windows before which the price's policy retrains",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=["replay"])
    parser.add_argument("model")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of the spec's `retraining`, otherwise")
    parser.add_argument("--price", type=float, help="of one retrain, in the mean loss of a window; by default the spec's")
    parser.add_argument("--csv", type=Path, help="labelled rows in time order, instead of the model's own decisions")
    parser.add_argument("--label", help="the CSV's column of 0 and 1")
    parser.add_argument("--window", type=int, default=500, help="the CSV's rows a window")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    spec = load_spec(options.model, context.settings.models)
    policy = changed(spec.retraining, options.set, options.price)
    if options.csv is None:
        found = history(context.control, options.model)
        if not found:
            raise DataError(
                f"No window of {options.model} has been decided yet.", hint="its monitoring DAG decides every window."
            )
        replayed = _decisions(found, policy)
    else:
        replayed = _csv(options, policy, spec.serving.threshold)
    empty = {"windows": [], "older": 0, "retrains": None, "stream": None, "costs": {}, "retrained_before": []}
    answer(options, {"model": options.model, "policy": policy.model_dump(), **empty, **replayed})
    return 0


def changed(policy: Retraining, fields: Sequence[str], price: float | None) -> Retraining:
    """The spec's section with `FIELD=VALUE`s (`none` switches off; durations in ISO 8601, P14D). Raises SpecError."""
    given: dict[str, object] = {}
    for each in fields:
        name, _, value = each.partition("=")
        given[name] = None if value.lower() == "none" else value
    try:
        return Retraining(**{**policy.model_dump(), **given, **({} if price is None else {"price": price})})
    except SpecError as error:
        raise SpecError(f"--set: {error.what}", hint=f"fields of retraining: {', '.join(Retraining.model_fields)}.") from error


def _decisions(found: list[Decision], policy: Retraining) -> dict[str, object]:
    made = {decision.key: decision for decision in decided(found, policy)}
    rows = [(d.as_of[:10], d.action, made[d.key].action, made[d.key].summary) for d in found if d.key in made]
    print(table(("as of", "recorded", "would have", "why"), rows))
    before, after = (sum(row[place] == "retrain" for row in rows) for place in (1, 2))
    print(f"\n{len(rows)} windows: {before} retrains recorded, {after} by this policy; the champions are those of the record.")
    if older := len(found) - len(rows):
        print(f"{older} earlier decisions kept no facts and are left out.")
    price = _price(policy, found)
    if price is not None:
        print(f"Retraining would have cost {after * price:g} errors of a window, recorded {before * price:g}.")
    costs = _probed(found, price) if price is not None else {}
    windows = [dict(zip(("as_of", "recorded", "would", "why"), row, strict=True)) for row in rows]
    return {"windows": windows, "older": older, "retrains": {"recorded": before, "would": after}, **costs}


def _price(policy: Retraining, found: Sequence[Decision]) -> float | None:
    """Of a retrain; where it follows from money, that of the newest window whose was known."""
    if policy.price != "cost":
        return policy.price
    known = (decision.evidence.get("money", {}).get("price") for decision in reversed(found))
    return next((price for price in known if price is not None), None)


def _probed(found: list[Decision], price: float) -> dict[str, object]:
    """Error too, where a staleness probe ran: it shows what each choice would have given."""
    probe = next((d.evidence["shadows"] for d in reversed(found) if d.evidence.get("shadows")), None)
    if probe is None:
        print("No staleness probe ran, so the errors of other choices are not known (retraining.price switches it on).")
        return {}
    error = np.array([[np.nan if value is None else value for value in row] for row in probe["error"]], dtype=np.float64)
    known = int(np.isfinite(np.diagonal(error)).sum())
    print(f"\nBy the staleness probe of the last {known} labelled windows:")
    return _costs(error[:known, :known], price, found[0].model)


def _csv(options: argparse.Namespace, policy: Retraining, threshold: float) -> dict[str, object]:
    if policy.price is None or policy.price == "cost" or not options.label:
        missing = "--label" if not options.label else "--price"
        raise DataError(f"A replay of a CSV needs {missing}.", hint="--price .05 --label COLUMN --window ROWS")
    stream = from_csv(options.csv, options.label, options.window)
    if (served := len(stream.label) // options.window - TRAINED_ON - DELAY) < 2:
        needed = (TRAINED_ON + DELAY + 2) * options.window
        raise DataError(
            f"{options.csv.name} is too short.", seen=f"{len(stream.label)} rows", hint=f"{needed} rows, or less a window"
        )
    print(f"{stream.name}: {served} windows of {options.window} rows served, labels {DELAY} window late, {TRAINED_ON} trained on")
    return {"stream": {"name": stream.name, "windows": served}, **_costs(errors(stream, threshold), policy.price, options.model)}


def _policies(model: str) -> dict[str, Policy]:
    clocks = {f"every {k} windows": every(k) for k in (5, 12)}
    return {"the price's": Priced(place(model)), "never": never, "every window": every(1), **clocks}


def _costs(error: Floats, price: float, model: str) -> dict[str, object]:
    """Cost of each policy: mean error, plus the price times the share of windows before which it retrains."""
    runs = {name: replay(error, policy, price) for name, policy in _policies(model).items()}
    best = oracle(error, price)
    runs["the best there was"] = best
    rows = [(name, len(each.retrained), each.error, each.cost, each.cost / best.cost - 1) for name, each in runs.items()]
    print(table(("policy", "retrains", "error", "cost", "regret"), rows))
    ours = runs["the price's"].retrained
    print(f"The price's retrains were before the windows {', '.join(map(str, ours))}." if ours else "The price's never retrains.")
    costs = {name: dict(zip(("retrains", "error", "cost", "regret"), row, strict=True)) for name, *row in rows}
    return {"costs": costs, "retrained_before": ours}
