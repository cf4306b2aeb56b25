"""`slipstream restore MODEL VERSION`: the way back for a version that left. Needs the control store and the ledger."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.arguments import version_number
from include.cli.context import open_context
from include.cli.rollback import FOLLOWED, MOVED, follow, plain_move, show_labels
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
UNSAID = "asked for on the command line"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("version", help="its number: `slipstream versions MODEL` lists them")
    parser.add_argument("--reason", default=UNSAID, help="for the audit chain and for colleagues; --despite-gate needs one")
    parser.add_argument("--now", action="store_true", help="all traffic at once, for a version that has been in production")
    parser.add_argument("--despite-gate", action="store_true", help="although its newest evaluation closed its gate")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    version = version_number(options.version, options.model)
    # A gate is not opened for a reason that nobody gave.
    reason = "" if options.despite_gate and options.reason == UNSAID else options.reason
    which = (context.control, context.ledger, options.model, version)
    if options.now:
        spec = context.readable_spec(options.model)
        back = restore_now(*which, actor=context.actor, reason=reason, despite_gate=options.despite_gate, spec=spec)
        gone = f"version {back.gone}" if back.gone is not None else "nobody"
        print(f"{back.model}: {gone} is out, version {back.serving} answers again (route {back.generation}).")
        answer(options, {**plain_move(back), **follow(context, back)})
    else:
        done = restore(*which, actor=context.actor, reason=reason, despite_gate=options.despite_gate)
        waits = live_rollout(context.control, options.model) is not None
        labels = show_labels(context, done.model)
        offered = {"model": done.model, "version": done.version, "before": done.before, "waits": waits, "registry": labels}
        answer(options, offered, [_offered(done, waits), labels])
    return 0


def _offered(done: Restored, busy: bool) -> str:
    was = "is a candidate already" if done.before == Stage.CANDIDATE else f"is a candidate again (it was {done.before})"
    wait = " The rollout that is live comes first." if busy else ""
    return (
        f"{done.model}: version {done.version} {was}; no traffic has moved.{wait}\n"
        f"Roll it out: trigger the DAG {done.model}_rollout with version={done.version}, or\n"
        f"  airflow dags trigger {done.model}_rollout --conf '{{\"version\": {done.version}}}'"
    )
