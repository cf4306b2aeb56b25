"""`slipstream invalidate KEY`: a new generation of a result, so that the next run or clear computes it again."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from include.cli.answer import Shapes, answer
from include.cli.arguments import day
from include.cli.context import CliContext, open_context
from include.core.table import table
from include.governance.invalidation import LedgerEntry, dependents, find, invalidate, named, require_step

HEAD = ("step", "day", "generation", "computed", "key")
SHOWN = 20
SHAPES: Shapes = {
    "": {
        "chosen": "the results to be computed again: `step`, `day`, `generation`, `committed_at`, `key`, `model`",
        "dependents": "those that were made from them, likewise",
        "changed": "whether anything was: false without --yes",
        "opened": "the keys whose new generation is open",
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="?", help="of the ledger, such as train/1f3c…; a task's log names it")
    parser.add_argument("--model", help="with --step, instead of a key")
    parser.add_argument("--step", help="features, training_set, train, evaluate ...")
    parser.add_argument("--day", type=day, metavar="YYYY-MM-DD", help="only of that day (or as-of day)")
    parser.add_argument("--reason", default="asked for on the command line")
    parser.add_argument("--yes", action="store_true", help="do it; without, only show what it would affect")
    parser.set_defaults(refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    context = open_context()
    chosen = _choose(options, context)
    others = dependents(context.ledger, [each.key for each in chosen])
    opened = (
        invalidate(context.ledger, context.control, chosen, actor=context.actor, reason=options.reason) if options.yes else []
    )
    shown = {"chosen": chosen, "dependents": others, "changed": options.yes, "opened": [each.key for each in opened]}
    answer(options, shown, [] if options.json else _words(chosen, others, opened, done=options.yes))
    return 0


def _words(chosen: list[LedgerEntry], others: list[LedgerEntry], opened: list[LedgerEntry], *, done: bool) -> Iterator[str]:
    yield f"To be computed again ({len(chosen)}):\n{_list(chosen)}"
    if others:
        yield (f"\nMade from it, and computed again only where its digest changes ({len(others)}):\n{_list(others)}")
    if not done:
        yield "\nNothing was changed. Add --yes to do it."
        return
    yield from (f"{each.key}: generation {each.generation} is open." for each in opened)
    yield "Clear the task, or run its DAG again: it computes them. What was there before is kept."


def _choose(options: argparse.Namespace, context: CliContext) -> list[LedgerEntry]:
    if options.key and not (options.model or options.step):
        return [named(context.ledger, options.key)]
    if options.key or not (options.model and options.step):
        options.refuse("give either a KEY, or --model and --step")
    require_step(context.ledger, options.model, options.step)
    return find(context.ledger, options.model, options.step, options.day.isoformat() if options.day else None)


def _list(held: list[LedgerEntry]) -> str:
    rows = [(each.step, each.day, each.generation, each.committed_at[:19] or "being computed", each.key) for each in held]
    more = f"\n… and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return table(HEAD, rows[:SHOWN]) + more
