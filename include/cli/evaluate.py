"""`slipstream evaluate MODEL`: fit it, or find the fit, and measure it on the held-out rows; without Airflow."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.by_hand import RESULT, add_fit, given_params, open_model
from include.core.errors import GateClosed

SHAPES: Shapes = {
    "": {
        **RESULT,
        "fit": "the key of the fit",
        "rows": "held-out rows",
        "metrics": "of the fit",
        "champion": "of the champion on the same rows; null where there is none",
        "baselines": "of the baselines, by name",
        "gate": "`passed`, and the `reasons` why not",
        "warnings": "what looks as if the rows held their own answer",
        "report": "where the report lies, one HTML page",
    }
}


def configure(parser: argparse.ArgumentParser) -> None:
    add_fit(parser)
    parser.add_argument("--no-champion", action="store_true", help="compare with nothing, as a backfill does")
    parser.add_argument("--gate", action="store_true", help="end with an error where the gate is closed: for CI")


def run(options: argparse.Namespace) -> int:
    model = open_model(options.model)
    data = model.training_set(options.as_of, missing=options.missing)
    fit = model.fit(data, params=given_params(options.params), tune=options.tune, job=options.as_job)
    made = model.evaluate(fit, champion=not options.no_champion)
    answer(options, {**made.to_json(), "fit": fit.key}, [*made.lines(), f"fit: {fit.key}"])
    if options.gate and not made.passed:
        raise GateClosed(
            f"The gate is closed to this fit of {options.model}: {'; '.join(made.reasons)}.",
            seen=fit.key,
            safe="nothing was registered; the champion stays.",
            hint=f"read {made.report}, then change the model, or evaluation in its spec.",
        )
    return 0
