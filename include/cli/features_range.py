"""`slipstream features range MODEL`: how far ranges are, and which days are missing; with --run the days are taken in here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

from include.cli.answer import answer
from include.cli.context import CliContext, open_context
from include.core.catalog import load_owner
from include.core.errors import DataError
from include.core.spec import PartitionOwner
from include.core.time import timestamp
from include.ranges.progress import Progress, few
from include.ranges.span import Span
from include.ranges.status import Standing, latest, standing

RANGE = {
    "model": "its name",
    "ranges": "the newest ranges, how far each is: `first`, `last`, `stands`, `done`, `failed`, `days_a_second` ...",
    "days": "of the days that have landed, or those asked for: `published`, `missing`, `not_landed`, `next`; null where none has",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", default="", help="of range: the first day, YYYY-MM-DD, or a partition's name")
    parser.add_argument("--to", dest="last", default="", help="of range: the last day or partition, included")
    parser.add_argument("--run", action="store_true", help="of range: take the days in here, without Airflow")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    spec = load_owner(options.model, context.settings.models)
    taken_in = _take_in(context, spec, options) if options.run else None
    cadence = spec.data.cadence
    first = Span.of(options.first, options.first, cadence).first if options.first else None
    last = Span.of(options.last, options.last, cadence).last if options.last else None
    ranges = latest(context.ledger.storage, spec.name)
    found = standing(spec, context.ledger.storage, context.control, first, last)
    days = found.to_json(spec.name) if found else None
    words = [taken_in] if taken_in else [*_ranges(ranges), *_days(spec, found)]
    answer(options, {"model": spec.name, "ranges": [each.to_json() for each in ranges], "days": days}, words)
    return 0


def _ranges(ranges: Sequence[Progress]) -> Iterator[str]:
    for each in ranges:
        yield f"{each.first} to {each.last}  {each.stands():<8}{each.words}"
        yield from (f"  {day}: {why[:160]}" for day, why in sorted(each.failed.items())[:5])


def _days(spec: PartitionOwner, found: Standing | None) -> Iterator[str]:
    if found is None:
        yield f"No day of {spec.name} has landed."
        return
    what = found.span.cadence.plural
    yield f"{found.span} of {spec.name}: {found.published:,} of {len(found.span.days):,} {what} are published."
    if found.not_landed:
        yield f"Not landed: {few(list(map(str, found.not_landed)), 10)}."
    if found.missing:
        yield f"Landed and not published: {few(list(map(str, found.missing)), 10)}. To take them in:"
        yield f"  {found.command(spec.name)}"


def _take_in(context: CliContext, spec: PartitionOwner, options: argparse.Namespace) -> str:
    """Takes the days in, and says so. Raises what `take_in` raises: 1 is the exit status where a day could not be taken in."""
    from include.ranges.take_in import Range, take_in

    if not options.first or not options.last:
        raise DataError("A range to take in has a first and a last day.", hint="give both: --from 2013-01-01 --to 2013-01-31.")
    run = f"slipstream features range/{timestamp()}/{os.getpid()}"
    done = take_in(
        Range(
            spec=spec,
            span=Span.of(options.first, options.last, spec.data.cadence),
            ledger=context.ledger,
            control=context.control,
            settings=context.settings,
            store=context.online,
            run=run,
            holder=run,
            say=_say,
            warn=_say,
        )
    )
    return f"{done.first} to {done.last} of {spec.name} are published and online: {done.words}, {done.seconds:.1f} s."


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
