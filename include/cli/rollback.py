"""`slipstream rollback MODEL`: the way back to safety. Needs the control store, and nothing else."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.errors import SlipstreamError
from include.rollout.rollback import RolledBack, roll_back_model
from include.routing.gateways import ALIVE_SECONDS

if TYPE_CHECKING:
    from include.serving.target import FollowingTarget

# Seconds for the gateways to be seen to follow. They poll many times a second; one that was lost just now counts as alive so
# long, and is named then.
TIMEOUT = ALIVE_SECONDS + 2.0

MOVED = {
    "model": "its name", "gone": "the version that answers no longer; null where none did",
    "serving": "the version that answers now; null: the default score", "generation": "of the route",
}  # fmt: skip
FOLLOWED = {
    "gateway": "whether all that are alive were seen to follow, in words",
    "registry": "whether its aliases follow, in words",
}
SHAPES: Shapes = {"": {**MOVED, **FOLLOWED}}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--reason", default="asked for on the command line", help="for the audit chain and for colleagues")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    done = roll_back_model(context.control, options.model, actor=context.actor, reason=options.reason)
    gone = f"version {done.gone}" if done.gone is not None else "nobody"
    serving = f"version {done.serving}" if done.serving is not None else "the default score"
    print(f"{done.model}: {gone} is out, {serving} answers (route {done.generation}).")
    answer(options, {**plain_move(done), **follow(context, done)})
    return 0


def follow(context: CliContext, done: RolledBack) -> dict[str, str]:
    """Say whether the gateway and the registry have followed. Neither is needed for the way back."""
    print(gateway := _gateway(context, done))
    print(registry := show_labels(context, done.model))
    return {"gateway": gateway, "registry": registry}


def plain_move(done: RolledBack) -> dict[str, object]:
    """What moved, by the names of MOVED."""
    return {"model": done.model, "gone": done.gone, "serving": done.serving, "generation": done.generation}


def _gateway(context: CliContext, done: RolledBack) -> str:
    try:
        if (follower := _elsewhere(context, done.model)) is not None:
            doing = follower.advance(done.model)
            return f"The endpoint follows: {doing or 'it serves it'}. The reconciler sees to the rest within minutes."
        seen = context.gateway().wait_applied(done.model, done.generation, timeout=TIMEOUT)
    except SlipstreamError as error:
        return f"The gateway was not seen to follow: {error.what} It does as soon as it reads the control store."
    silent = "; ".join(f"{each['gateway']}, silent since {each['since'][:19]} UTC" for each in seen.get("silent", ()))
    unseen = f" Not waited for, and perhaps serving what was before: {silent}." if silent else ""
    if len(named := seen.get("gateways", ())) > 1:
        return f"All {len(named)} gateways that are alive serve it: {', '.join(named)}.{unseen}"
    return f"The gateway at {context.settings.gateway_url} serves it.{unseen}"


def _elsewhere(context: CliContext, model: str) -> FollowingTarget | None:
    """What is to be moved from here; None for what the gateways serve, and for a model whose spec cannot be read."""
    try:
        spec = context.spec(model)
    except SlipstreamError:
        return None
    return None if spec.serving.target == "gateway" else context.elsewhere(spec)


def show_labels(context: CliContext, model: str) -> str:
    """The registry only shows what the control store has decided: it may be down."""
    from include.governance.mirror import follow

    if problem := follow(context.control, context.labels, model):
        return f"The registry's labels follow at the next registration, or with `slipstream mirror {model}`: {problem}"
    return "The registry's aliases follow."
