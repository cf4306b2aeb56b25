"""`slipstream fit MODEL`: fit it here, without Airflow; the training DAG finds the result, and the other way round."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.by_hand import RESULT, add_fit, given_params, open_model

SHAPES: Shapes = {
    "": {
        **RESULT,
        "params": "the parameters it was fitted with",
        "rows": "rows it was fitted on",
        "validation": "metrics on the newest of the training rows",
        "training_set": "the training set: `uri`, `digest`, `kind`",
    }
}


def configure(parser: argparse.ArgumentParser) -> None:
    add_fit(parser)


def run(options: argparse.Namespace) -> int:
    model = open_model(options.model)
    data = model.training_set(options.as_of, missing=options.missing)
    made = model.fit(data, params=given_params(options.params), tune=options.tune, job=options.as_job)
    answer(options, made.to_json(), made.lines())
    return 0
