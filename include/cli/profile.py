"""`slipstream profile MODEL SOURCE DAY`: a first expectations file, from what one raw partition looks like."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from include.cli.desk import open_desk
from include.core.errors import ConflictError
from include.data.raw import RawPartitions
from include.validation.batch import Batch, open_database
from include.validation.propose import propose


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("source")
    parser.add_argument("day", type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a new file; without, it is printed")


def run(options: argparse.Namespace) -> int:
    raw = RawPartitions(open_desk().ledger.storage, options.model)
    digest = raw.digest(options.source, options.day)
    with TemporaryDirectory() as folder:
        path = raw.fetch(options.source, options.day, digest, Path(folder))
        text = propose(Batch(f"{options.source} of {options.day}", path, open_database()), options.source)
    if options.write is None:
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="")  # in a Python file it means the same
        return 0
    try:
        with options.write.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConflictError(
            f"{options.write} exists.", safe="it was left as it is.", hint="give another name, and merge by hand."
        ) from error
    print(f"Wrote {options.write}. Read it: it knows one day only.")
    return 0
