"""`slipstream features`: the catalogue of them all; what a change of a definition touches (`impact`); ranges of days (`range`).

`catch-up NAME`: published days of another definition are computed again; those that are not online as they stand are
materialized again; those that were made from other raw partitions than are there now are listed, with what makes them again and
what was trained on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from include.cli import features_catalogue, features_impact, features_range
from include.cli.answer import Shapes, answer
from include.cli.changed import CHANGED, make_changed
from include.cli.context import CliContext, open_context
from include.cli.features_catalogue import CATALOGUE
from include.cli.features_impact import IMPACT
from include.cli.late import LATE, SHOWN, print_late
from include.core.catalog import load_owner
from include.core.errors import InputError
from include.core.partition import Partition
from include.core.request import Ref, Result
from include.core.scratch import scratch_folder
from include.core.spec import PartitionOwner
from include.core.table import table
from include.features.online.catch_up import lost_days, pending, recent
from include.features.online.presence import published_rows
from include.model_contract.definition import pins_of
from include.point_in_time.partition import results

Materialized = tuple[Partition, str, int, int, int]  # day, view, entities, written, newer online
SHAPES: Shapes = {
    "catch-up": {
        "model": "its name",
        **CHANGED,
        "published": "days within reach",
        "pending": "days of them that are not online as they stand",
        "lost": "rows that the online store has lost, by day",
        "materialized": "what was brought online: `day`, `view`, `entities`, `written`, `newer`",
        **LATE,
    },
    "range": features_range.RANGE,
    "impact": IMPACT,
    "catalogue": CATALOGUE,
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["catalogue", "catch-up", "range", "impact"], nargs="?", default="catalogue",
        help="catalogue (by default): every feature, whose it is, how fresh and who uses it; catch-up: bring online, and compute "
        "again, what is not as it should be; range: how far ranges of days are, and what is missing; impact: what a change of a "
        "definition touches before it lands",
    )  # fmt: skip
    parser.add_argument("model", nargs="?", help="a feature set or a model; of the catalogue by default all")
    parser.add_argument("--all", action="store_true", help="every published day, not only those within the longest ttl")
    parser.add_argument("--again", action="store_true", help="also those that were online once: for a store that was lost")
    parser.add_argument("--dry-run", action="store_true", help="only say which days")
    features_range.configure(parser)
    features_impact.configure(parser)
    features_catalogue.configure(parser)


def run(options: argparse.Namespace) -> int:
    if options.action == "catalogue":
        return features_catalogue.run(options)
    if not options.model:
        raise InputError(
            f"slipstream features {options.action} is of one feature set or model.",
            safe="nothing was read or changed.",
            hint=f"name it: slipstream features {options.action} NAME; `slipstream features` lists them all.",
        )
    if options.action != "catch-up":
        return features_range.run(options) if options.action == "range" else features_impact.run(options)
    return _catch_up(options)


def _catch_up(options: argparse.Namespace) -> int:
    context = open_context()
    spec = load_owner(options.model, context.settings.models)
    changed = make_changed(context, spec, dry_run=options.dry_run)
    refs = recent(context.control, spec, everything=options.all)
    made = results(context.ledger, {day.name: ref for day, ref in refs.items()})
    days, lost = (sorted(refs), {}) if options.again else _missing(context, spec, refs, made)
    rows: list[Materialized] = []
    if not days:
        print(f"All {len(refs)} published {spec.data.cadence.plural} of {spec.name} within reach are online as they stand.")
    elif options.dry_run:
        print(f"To be materialized ({len(days)} of {len(refs)}): {', '.join(map(str, days))}")
    else:
        rows = _materialize(context, spec, days, made)
    late = print_late(context, spec)
    brought = [dict(zip(("day", "view", "entities", "written", "newer"), row, strict=True)) for row in rows]
    online = {"published": len(refs), "pending": days, "lost": lost, "materialized": brought}
    answer(options, {"model": spec.name, **changed, **online, **late})
    return 0


def _missing(
    context: CliContext, spec: PartitionOwner, refs: Mapping[Partition, Ref], made: Mapping[str, Result]
) -> tuple[list[Partition], Mapping[Partition, int]]:
    """The days without a record that stands, and those of which the store itself, asked for their rows, lacks some: how many."""
    store = context.online()
    days = pending(context.control, spec, refs, made, pins_of(context.control, context.ledger, spec), store)
    recorded = {day: result for day, result in made.items() if spec.data.cadence.parse(day) not in days}
    with scratch_folder(context.settings.scratch()) as folder:
        lost = lost_days(context.ledger, spec, recorded, store, published_rows(context.control, spec.name), folder)
    if lost:
        shown = ", ".join(f"{day} ({count})" for day, count in list(lost.items())[:SHOWN])
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        print(f"The online store has lost rows of {len(lost)} days that were brought online: {shown}{more}.")
    return sorted({*days, *lost}), lost


def _materialize(
    context: CliContext, spec: PartitionOwner, days: Sequence[Partition], made: Mapping[str, Result]
) -> list[Materialized]:
    """Oldest first; of several at once, or interrupted and begun again, the newest values stand all the same."""
    from include.features.online.materialize import materialize  # Feast: not where nothing is to be brought online

    rows: list[Materialized] = []
    for day in days:
        report = materialize(spec, made[day.name], context.ledger, context.settings, context.online())
        rows += [(day, name, each["entities"], each["written"], each["newer"]) for name, each in report["views"].items()]
    print(table(("day", "view", "entities", "written", "newer online"), rows))
    return rows
