"""By hand: complete segments of the prediction log in the storage root become Parquet files, on whatever machine.

    python -m include.prediction_log.rotation [--minutes 70] [MODEL ...]

A gateway's agent does it for its own, the `rotate` task of the monitoring DAG for those of gateways that are gone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import timedelta

from include.core.settings import Settings
from include.prediction_log.compaction import COMPLETE, compact
from include.prediction_log.shared import log_of, models


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="include.prediction_log.rotation")
    parser.add_argument("models", nargs="*", help="default: every model that has a log")
    minutes = COMPLETE.total_seconds() / 60
    parser.add_argument("--minutes", type=float, default=minutes, help="since a segment was opened (default: %(default)g)")
    options = parser.parse_args(list(argv) if argv is not None else None)
    log = log_of(Settings.from_env())
    for model in options.models or models(log):
        for path in compact(log, model, timedelta(minutes=options.minutes)):
            print(log.storage.uri(path))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
