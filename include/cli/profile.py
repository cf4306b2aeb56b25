"""`slipstream profile MODEL SOURCE DAY`: a first expectations file, from what one raw partition looks like."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from include.cli.answer import Shapes, answer
from include.cli.arguments import day
from include.cli.context import open_context
from include.core.errors import ConflictError, DataError
from include.core.nearest import did_you_mean, nearest_day
from include.core.partition import DAILY, Cadence, Partition
from include.data.raw import RawPartitions
from include.overview.models import require_model
from include.validation.batch import Batch, open_database
from include.validation.propose import propose

RAW_ALONE = True  # a model whose partitions have landed needs no spec yet: this is how it gets one

SHAPES: Shapes = {
    "": {
        "model": "its name", "source": "the source", "day": "of the partition", "text": "the proposed file",
        "written": "the file that was written; null without --write",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("source")
    parser.add_argument("day", type=day, metavar="YYYY-MM-DD")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a new file; without, it is printed")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    raw = RawPartitions(context.ledger.storage, options.model, cadence=named_like(options.day))
    if not options.model.isidentifier() or next(raw.storage.list(f"raw/{options.model}"), None) is None:
        require_model(options.model, context.settings.models, lambda: context.control_if_there)
    _require(raw, options.source, options.day)
    digest = raw.digest(options.source, options.day)
    with TemporaryDirectory() as folder:
        path = raw.fetch(options.source, options.day, digest, Path(folder))
        text = propose(Batch(f"{options.source} of {options.day}", path, open_database()), options.source)
    shown = {"model": options.model, "source": options.source, "day": options.day, "text": text, "written": options.write}
    if options.write is None:
        encoding = sys.stdout.encoding or "utf-8"
        printed = text.encode(encoding, "backslashreplace").decode(encoding)  # in a Python file it means the same
        answer(options, shown, printed.removesuffix("\n"))
        return 0
    try:
        with options.write.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConflictError(
            f"{options.write} exists.", safe="it was left as it is.", hint="give another name, and merge by hand."
        ) from error
    except OSError as error:
        raise DataError(
            f"{options.write} cannot be written: {error.strerror}.",
            seen=str(options.write),
            safe="nothing was written.",
            hint="give a file in a folder that is there.",
        ) from error
    answer(options, shown, f"Wrote {options.write}. Read it: it knows one day only.")
    return 0


def named_like(day: Partition) -> Cadence:
    """The cadence of a partition where no spec says it: what is finer than a day may be of a quarter of an hour."""
    return DAILY if day.is_day else Cadence(day.length)


def _require(raw: RawPartitions, source: str, day: Partition) -> None:
    """Raises DataError with the sources, or the days beside it, where that partition never landed."""
    if source.isidentifier() and raw.exists(source, day):
        return
    folder = f"raw/{raw.model}/"
    sources = {path.removeprefix(folder).partition("/")[0] for path in raw.storage.list(folder.rstrip("/"))}
    if source not in sources:
        raise DataError(
            f"Nothing of a source {source!r} of {raw.model} has landed.",
            seen=raw.storage.uri(folder),
            hint=did_you_mean(source, sources, f"sources of {raw.model}"),
        )
    raise DataError(
        f"The {source} partition of {day} has not landed.",
        seen=raw.storage.uri(raw.path(source, day)),
        hint=nearest_day(day, raw.days(source)),
    )
