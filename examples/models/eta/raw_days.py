"""The raw days: the real flights out of New York in 2013, as an airline would send them.

    python -m examples.models.eta.raw_days 2013-01-01 2013-03-31

writes the days from the first to the last, both included, where the sources' files are expected. Your own source takes the
place of this file: it lands daily Parquet files `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet`, with the columns that
expectations.py declares.
"""

from __future__ import annotations

import sys
from datetime import date

from include.core.settings import Settings
from include.core.storage import Storage
from include.demo import flights

# Departures beside what `flight_delay` has: that a flight left late is known hours before it has landed.
DEPARTURES = """
    SELECT (sched_dep + to_minutes(dep_delay))::DATE AS day, flight_id, carrier, origin, dest,
        sched_dep + to_minutes(dep_delay) AS departed_at, dep_delay::DOUBLE AS dep_delay
    FROM typed WHERE dep_delay IS NOT NULL
"""
SOURCES = {**flights.SOURCES, "departures": DEPARTURES}
MODEL = (__package__ or "").rpartition(".")[2]  # the folder's name


def land(storage: Storage, first: date, last: date, model: str = MODEL) -> int:
    """Write the days; returns how many files were new."""
    return flights.land(storage, first, last, model=model, sources=SOURCES)


def main(first: str, last: str) -> None:
    storage = Settings.from_env().storage()
    written = land(storage, date.fromisoformat(first), date.fromisoformat(last))
    print(f"landed {first} to {last} under {storage.uri(f'raw/{MODEL}')}: {written} files are new")


if __name__ == "__main__":
    main(*sys.argv[1:3])
