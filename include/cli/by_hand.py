"""What the commands that work on a model by hand share: their arguments, and the model in their process."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from include.core.errors import DataError

if TYPE_CHECKING:
    from include.notebook import Model

RESULT = {
    "model": "the model's name",
    "key": "of the request: a DAG with the same spec, code and data asks for the same",
    "digest": "SHA-256 of what came out",
    "reused": "whether it was there before, made by a DAG or by hand",
    "uri": "where it lies",
}
AS_OF = "a day or a time (UTC): nothing known later is used; by default the end of the newest day that has landed"
MISSING = (
    "days that have landed and are not published: make their features here (the default), refuse, or ignore them as a DAG does"
)
SET = "parameters in place of the spec's, such as learning_rate=0.05"
JOB = "fit as a job of the job backend (SLIPSTREAM_JOB_BACKEND), and wait for it"


def add_data(parser: argparse.ArgumentParser) -> None:
    """The model, and which rows."""
    parser.add_argument("model")
    parser.add_argument("--as-of", metavar="TIME", help=AS_OF)
    parser.add_argument("--missing", choices=["make", "refuse", "ignore"], default="make", help=MISSING)


def add_fit(parser: argparse.ArgumentParser) -> None:
    """And how it is fitted."""
    add_data(parser)
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", dest="params", help=SET)
    parser.add_argument("--tune", action="store_true", help="search the spec's grid first, and take the best")
    parser.add_argument("--as-job", action="store_true", help=JOB)


def open_model(name: str) -> Model:
    """The model with its stores; a control store that is missing is made."""
    from include.notebook import Model

    return Model(name)


def given_params(texts: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE as the value that JSON reads, else as text. Raises DataError."""
    params: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise DataError("--set takes NAME=VALUE.", seen=text, safe="nothing was fitted.", hint="--set learning_rate=0.05")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    return params
