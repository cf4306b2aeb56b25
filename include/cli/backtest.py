"""`slipstream backtest MODEL`: the walk-forward table of the versions, whichever run trained each first."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.core.catalog import load_spec
from include.core.errors import DataError
from include.core.table import table
from include.governance.backtest import Fold, folds
from include.problems.of import of_spec
from include.problems.problem import Problem
from include.versions.shown import shown_records

SHAPES: Shapes = {
    "": {
        "version": "its number", "as_of": "the moment it pretended to be at", "rows": "trained on", "holdout_rows": "held out",
        "last": "the newest row of the holdout", "ours": "its metrics on the holdout, by name",
        "baselines": "the same of `boosted` and `historical_rate`", "made_by": "the type of the run that trained it first",
        "given_up": "in words, of a version that was: its numbers are those that were kept; else empty",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    found = folds(context.ledger, shown_records(context.control, options.model))
    if not found:
        raise DataError(
            f"No version of {options.model} was trained yet.",
            hint=f"airflow backfill create --dag-id {options.model}_training --from-date ... --to-date ...",
        )
    problem = of_spec(load_spec(options.model, context.settings.models))
    gone = [fold.version for fold in found if fold.given_up]
    kept = [f"Given up since, with these numbers kept: version {', '.join(map(str, gone))}."] if gone else []
    answer(options, found, [table(_head(problem), (_row(problem, fold) for fold in found)), *kept])
    return 0


def _head(problem: Problem) -> tuple[str, ...]:
    first, second = (problem.metric(name).title for name in problem.headline)
    return ("as of", "version", "trained on", "held out", "until", first, "boosting", "rate", second, "boosting", "by")


def _row(problem: Problem, fold: Fold) -> tuple[object, ...]:
    boosted, rate = fold.baselines.get("boosted", {}), fold.baselines.get("historical_rate", {})
    first, second = problem.headline
    ours = fold.ours.get(first), boosted.get(first), rate.get(first)
    losses = fold.ours.get(second), boosted.get(second)
    return fold.as_of[:10], fold.version, fold.rows, fold.holdout_rows, fold.last[:10], *ours, *losses, fold.made_by or "-"
