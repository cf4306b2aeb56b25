"""`slipstream scores MODEL`: the partitions of the table of batch scores, the version that each was scored by, and its repair."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import Exit
from include.core.table import table as text_table
from include.routing.route import read_route
from include.scoring.table import Standing, restore, table, wrong
from include.versions.queries import records

SHAPES: Shapes = {
    "": {
        "day": "the partition", "version": "that it was scored by", "stage": "of that version now",
        "served": "whether it is routed to", "rows": "in its file", "path": "of the file, below the storage root",
        "wrong": "what is wrong with the file; empty if nothing",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--check", action="store_true", help="read every file, and say which are not what stands")
    parser.add_argument("--repair", action="store_true", help="and put the file of what stands back where another is, or none")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    context.spec(options.model)  # a name that no model has is an error, and no empty table
    found = dict(_wrong(context, options.model)) if options.check or options.repair else {}
    if options.repair:
        for day in found:
            restore(context.control, context.ledger, options.model, day)
        found = dict(_wrong(context, options.model))
    rows = _rows(context, options.model, found)
    head = ("partition", "version", "stage", "served", "rows", "file", "wrong")
    answer(options, rows, text_table(head, [tuple(row.values()) for row in rows]) if rows else "No scores are published yet.")
    return Exit.FOUND if found else Exit.DONE


def _wrong(context: CliContext, model: str) -> list[tuple[str, str]]:
    return [(each.day, words) for each, words in wrong(context.control, context.ledger.storage, model)]


def _rows(context: CliContext, model: str, found: Mapping[str, str]) -> list[dict[str, object]]:
    stages = {record.version: record.stage for record in records(context.control, model)}
    _, route = read_route(context.control, model)

    def row(each: Standing) -> dict[str, object]:
        stage = stages.get(each.version, "") if each.version is not None else ""
        served = each.version in route.named
        return {
            "day": each.day, "version": each.version, "stage": stage, "served": served, "rows": each.rows, "path": each.path,
            "wrong": found.get(each.day, ""),
        }  # fmt: skip

    return [row(each) for each in table(context.control, model)]
