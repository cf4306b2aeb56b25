"""The raw days: 23,486 reviews of women's clothes, as a shop would send them.

    python -m examples.models.text.raw_days 2023-01-01 2023-03-31

writes the days from the first to the last, both included, where the sources' files are expected. Your own source takes the
place of this file: it lands daily Parquet files `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet`, with the columns that
expectations.py declares.

**The data have no times: these are made up.** A review's moment follows from its number and SEED alone, so that it is the same
whenever and wherever it is landed. Its department has a season: jackets are reviewed more often in winter, dresses in summer (the
rate of each swings by SWING around its mean over the 200 days), so that what is written about changes over the months and the
share of each star changes little. The stars are known 1 to 20 hours after the text.
"""

from __future__ import annotations

import hashlib
import io
import sys
from datetime import date, datetime, time, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from include.core.settings import Settings
from include.core.storage import Storage
from include.core.time import days_between
from include.demo import widedeep

MODEL = (__package__ or "").rpartition(".")[2]  # the folder's name
FIRST, DAYS = date(2023, 1, 1), 200
LAST = FIRST + timedelta(days=DAYS - 1)
SEED = 7
SWING = 0.6
WINTER, SUMMER = ("Jackets", "Trend"), ("Dresses", "Intimate")  # reviewed most in the first and in the last of the days
HOUR = 3_600_000_000  # microseconds


def land(storage: Storage, first: date, last: date, model: str = MODEL) -> int:
    """Write the days; returns how many files were new. Days that the data do not reach have no file."""
    written = 0
    for day in days_between(max(first, FIRST), min(last, LAST)):
        for source, rows in (("reviews", _of_day("written_at", day)), ("stars", _of_day("known_at", day))):
            path = f"raw/{model}/{source}/date={day}/part.parquet"
            data = _bytes(rows.select(COLUMNS[source]))
            if not storage.exists(path) or storage.read(path) != data:
                storage.write(path, data)
                written += 1
    return written


COLUMNS = {
    "reviews": ["review_id", "clothing_id", "department", "age", "title", "review", "written_at"],
    "stars": ["review_id", "clothing_id", "stars", "known_at"],
}


@cache
def reviews() -> pa.Table:
    """Every review, with its moment, in its order."""
    raw = widedeep.table(widedeep.REVIEWS)
    written = moments(raw["Department Name"].to_pylist())
    waited = np.array([HOUR + int(19 * HOUR * drawn(number, "known")) for number in range(raw.num_rows)])
    table = pa.table({
        "review_id": [f"r{number}" for number in range(raw.num_rows)],
        "clothing_id": pc.cast(raw["Clothing ID"], pa.string()),
        "department": pc.fill_null(raw["Department Name"], "unknown"),
        "age": raw["Age"],
        "title": pc.fill_null(raw["Title"], ""),
        "review": pc.fill_null(raw["Review Text"], ""),
        "stars": pc.cast(raw["Rating"], pa.string()),
        "written_at": pa.array(written),
        "known_at": pa.array(written + waited.astype("timedelta64[us]")),
    })  # fmt: skip
    return table.sort_by([("written_at", "ascending"), ("review_id", "ascending")])


def moments(departments: list[str | None]) -> NDArray[np.datetime64]:
    """When each review was written, datetime64[us]: its day by its department's season, its second at random."""
    swing = np.linspace(1 + SWING, 1 - SWING, DAYS)
    ends = {"winter": np.cumsum(swing) / DAYS, "summer": np.cumsum(swing[::-1]) / DAYS, "": np.arange(1, DAYS + 1) / DAYS}
    days = [int(np.searchsorted(ends[season(each)], drawn(place, "day"))) for place, each in enumerate(departments)]
    seconds = [int(86_400_000_000 * drawn(place, "second")) for place in range(len(departments))]
    begin = np.datetime64(FIRST, "us")
    found: NDArray[np.datetime64] = begin + np.array(days) * np.timedelta64(1, "D")
    moments: NDArray[np.datetime64] = found + np.array(seconds).astype("timedelta64[us]")
    return moments


def season(department: str | None) -> str:
    if department in WINTER:
        return "winter"
    return "summer" if department in SUMMER else ""


def drawn(number: int, what: str) -> float:
    """A number in [0, 1) that is the same for a review, whatever else is landed."""
    return int.from_bytes(hashlib.blake2b(f"{SEED} {what} {number}".encode(), digest_size=6).digest(), "big") / 2**48


def _of_day(column: str, day: date) -> pa.Table:
    begin = datetime.combine(day, time())
    table, at = reviews(), reviews()[column]
    inside = pc.and_(pc.greater_equal(at, pa.scalar(begin)), pc.less(at, pa.scalar(begin + timedelta(days=1))))
    return table.filter(inside)


def _bytes(rows: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(rows, written, compression="zstd")
    return written.getvalue()


def main(first: str, last: str) -> None:
    storage = Settings.from_env().storage()
    written = land(storage, date.fromisoformat(first), date.fromisoformat(last))
    print(f"landed {first} to {last} under {storage.uri(f'raw/{MODEL}')}: {written} files are new")


if __name__ == "__main__":
    main(*sys.argv[1:3])
