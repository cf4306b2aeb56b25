"""`slipstream check [MODEL]`: in seconds, what is wrong with a model's folder. Nothing is stored, and nothing need run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.exits import found
from include.core.errors import DataError

SHAPES: Shapes = {
    "": {
        "passed": "whether nothing is wrong with any of them",
        "models": "a model each: `model`, `passed` and its `checks`, each with `check`, `status` (ok, failed, skipped), "
        "`detail`, `seconds` and `error` (null, or its `what`, `seen`, `safe`, `next`)",
    }
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="only this one; by default all")
    parser.add_argument("--days", type=int, default=8, metavar="N", help="read the newest N landed days (default 8)")
    parser.add_argument("--no-fit", action="store_true", help="do not train on 1,000 rows")
    parser.add_argument("--no-dags", action="store_true", help="do not ask Airflow, which takes seconds to import")


def run(options: argparse.Namespace) -> int:
    from include.authoring.check import check_model

    context = open_context()
    names = [options.model] if options.model else context.model_names()
    if not names:
        raise DataError(
            f"There is no model in {context.settings.models}.",
            hint="slipstream new NAME makes one; SLIPSTREAM_MODELS says where.",
        )
    if options.days < 1:
        raise DataError(
            "--days must be at least 1.", seen=options.days, safe="nothing was read.", hint="leave it out, or --days 30."
        )
    reports = [check_model(name, context, days=options.days, fit=not options.no_fit, dags=not options.no_dags) for name in names]
    passed = all(report.passed for report in reports)

    def words() -> Iterator[str]:
        for report in reports:
            yield from report.lines()

    answer(options, {"passed": passed, "models": [report.to_json() for report in reports]}, words())
    return found(not passed)
