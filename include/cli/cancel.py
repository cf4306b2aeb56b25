"""`slipstream cancel JOB`: the only way a job is stopped. Its checkpoints stay; clearing the task goes on from them."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.core.ports import JobStatus
from include.governance.jobs import live, stop

SHAPES: Shapes = {
    "": {"job": "its name", "before": "its status before", "stopped": "whether it was asked to stop; false where it was over"},
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="its name (slip-train-…) or the key it computes: `slipstream status` lists them")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    name = _name(context, options.job)
    jobs = context.jobs()
    before = JobStatus(jobs.status(name))
    if before is JobStatus.UNKNOWN:
        raise DataError(
            f"The {context.settings.job_backend} backend has no job {name!r}.",
            seen=name,
            safe="no job was stopped.",
            hint=did_you_mean(name, [attempt.job for attempt in live(context.ledger)], "jobs under way"),
        )
    if before.over:
        answer(options, {"job": name, "before": before, "stopped": False}, f"{name} is over already: {before}.")
        return 0
    with context.control.transaction() as connection:
        context.control.append_audit(connection, context.actor, "cancel", name, {"status": str(before)})
    words = f"{stop(jobs, name)} Its task fails; its checkpoints are kept, and clearing the task goes on from them."
    answer(options, {"job": name, "before": before, "stopped": True}, words)
    return 0


def _name(context: CliContext, given: str) -> str:
    if "/" not in given:
        return given
    working = {attempt.key: attempt.job for attempt in live(context.ledger)}
    if given not in working:
        raise DataError(
            f"Nothing is computing {given!r}.",
            seen=given,
            safe="no job was stopped.",
            hint=did_you_mean(given, working, "keys that are being computed"),
        )
    return working[given]
