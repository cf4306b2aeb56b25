"""`slipstream restore MODEL VERSION`: the way back for a version that left. Needs the control store and the ledger."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.rollback import FOLLOWED, MOVED, follow, plain_move, show_labels
from include.core.errors import DataError
from include.rollout.history import live_rollout
from include.rollout.restore import Restored, restore, restore_now
from include.versions.lifecycle import Stage

SHAPES: Shapes = {
    "": {
        "model": "its name", "version": "the version that is offered again", "before": "its stage before",
        "waits": "whether a live rollout comes first", "registry": FOLLOWED["registry"],
    },
    "--now": {**MOVED, **FOLLOWED},
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("version", help="its number: `slipstream versions MODEL` lists them")
    parser.add_argument("--reason", default="asked for on the command line", help="for the audit chain and for colleagues")
    parser.add_argument("--now", action="store_true", help="all traffic at once, for a version that has been in production")
    parser.add_argument("--despite-gate", action="store_true", help="although its newest evaluation closed its gate")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    version = _number(options.version, options.model)
    given, words = (context.control, context.ledger, options.model, version), {"actor": context.actor, "reason": options.reason}
    if options.now:
        back = restore_now(*given, **words, despite_gate=options.despite_gate)
        gone = f"version {back.gone}" if back.gone is not None else "nobody"
        print(f"{back.model}: {gone} is out, version {back.serving} answers again (route {back.generation}).")
        answer(options, {**plain_move(back), **follow(context, back)})
    else:
        done = restore(*given, **words, despite_gate=options.despite_gate)
        waits = live_rollout(context.control, options.model) is not None
        labels = show_labels(context, done.model)
        offered = {"model": done.model, "version": done.version, "before": done.before, "waits": waits, "registry": labels}
        answer(options, offered, [_offered(done, waits), labels])
    return 0


def _number(given: str, model: str) -> int:
    """argparse's own conversion would take `1_0` and digits of other scripts, and a number of 5,000 digits as a traceback."""
    if given.isascii() and given.isdigit() and len(given) < 10:
        return int(given)
    raise DataError("A version is a whole number.", seen=given[:100], hint=f"`slipstream versions {model}` lists them.")


def _offered(done: Restored, busy: bool) -> str:
    was = "is a candidate already" if done.before == Stage.CANDIDATE else f"is a candidate again (it was {done.before})"
    wait = " The rollout that is live comes first." if busy else ""
    return (
        f"{done.model}: version {done.version} {was}; no traffic has moved.{wait}\n"
        f"Roll it out: trigger the DAG {done.model}_rollout with version={done.version}, or\n"
        f"  airflow dags trigger {done.model}_rollout --conf '{{\"version\": {done.version}}}'"
    )
