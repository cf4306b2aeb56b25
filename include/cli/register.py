"""`slipstream register MODEL URI`: a model that was trained elsewhere becomes a version. Needs the stores and the registry."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.versions import RECORD

if TYPE_CHECKING:
    from include.handover.register import Registered

SHAPES: Shapes = {
    "": {
        **RECORD,
        "source": "SHA-256 of the bytes that were registered",
        "evaluated": "whether it was evaluated here",
    }
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument(
        "uri",
        help="a path, s3://bucket/key, models:/name/3, models:/name@alias, runs:/RUN/model, or "
        "oip://NAME/MODEL/versions/3 of a model that stays on another server",
    )
    parser.add_argument("--as-of", default="", metavar="TIME", help="of the training set whose holdout it is evaluated on (UTC); "
                        "by default the end of the newest published day")  # fmt: skip
    parser.add_argument("--trained-until", default="", metavar="TIME", help="the newest row it was trained on; without it the "
                        "gate stays closed, for the holdout may be among them")  # fmt: skip
    parser.add_argument("--categories", type=Path, metavar="FILE", help="JSON, {feature: [value, ...]}: what the codes of its "
                        "categories stand for, 1 the first; by default the training set's")  # fmt: skip
    parser.add_argument("--no-evaluation", action="store_true", help="register it without: its gate is closed then")


def run(options: argparse.Namespace) -> int:
    """0 also where the gate is closed: it is registered."""
    from include.handover.register import read_categories, register

    context = open_context()
    done = register(
        options.model,
        options.uri,
        services=context,
        as_of=options.as_of,
        trained_until=options.trained_until,
        categories=read_categories(options.categories) if options.categories else None,
        evaluate=not options.no_evaluation,
        by=context.actor,
    )
    answer(options, done.to_json(), _lines(options.model, done))
    return 0


def _lines(model: str, done: Registered) -> list[str]:
    record, gate = done.record, done.record.entry.gate
    lines = [
        f"{model}: version {record.version} ({record.semver}) is {record.stage}; trained elsewhere, SHA-256 {done.source}",
        f"gate {'open' if gate.passed else 'closed'}" + "".join(f"\n  {reason}" for reason in gate.reasons),
    ]
    if record.entry.metrics:
        lines.append(", ".join(f"{name} {value:.4f}" for name, value in record.entry.metrics.items()))
    return [*lines, *_next(model, done)]


def _next(model: str, done: Registered) -> list[str]:
    version = done.record.version
    if done.is_candidate:
        trigger = f"airflow dags trigger {model}_rollout --conf '{{\"version\": {version}}}'"
        return [f"Its rollout follows within minutes (slipstream_reconcile gives it its turn), or now: {trigger}"]
    return [f'To roll it out all the same: slipstream restore {model} {version} --despite-gate --reason "..."']
