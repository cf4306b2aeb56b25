"""The raw days: MovieLens-100k, as the site itself would send it.

    python -m examples.models.recommend.raw_days 1997-09-20 1997-12-31

writes the days from the first to the last, both included, where the sources' files are expected. Your own source takes the
place of this file: it lands daily Parquet files `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet`, with the columns that
expectations.py declares.

- `ratings`: what was rated on the day, with its moment, and whether the user had been there on an earlier day.
- `profiles`: of each user who rated something on the day, what they have liked (4 or 5 stars) and rated so far, newest first.
- `films`: the catalogue of the day: films that somebody has rated by then.

Ids are MovieLens' own numbers behind a letter, `u` of a user and `f` of a film, for lists of them are texts.

A **visit** is a day on which a user rates films. Films that nobody had rated before the day are no candidates of it: `known`.
"""

from __future__ import annotations

import io
import sys
from datetime import date
from functools import cache

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.settings import Settings
from include.core.storage import Storage
from include.core.time import days_between
from include.data.session import open_session
from include.demo import widedeep

MODEL = (__package__ or "").rpartition(".")[2]  # the folder's name
FIRST, LAST = date(1997, 9, 20), date(1998, 4, 22)
LONGEST = 200  # films of a profile's list

_RATED = """
CREATE TABLE rated AS SELECT
    'u' || user_id AS user_id, 'f' || movie_id AS film_id, rating::DOUBLE AS rating,
    make_timestamp(("timestamp" * 1000000)::BIGINT) AS rated_at, make_timestamp(("timestamp" * 1000000)::BIGINT)::DATE AS day,
    day > min(day) OVER (PARTITION BY user_id) AS came_before, day > min(day) OVER (PARTITION BY movie_id) AS known
FROM ratings
"""

SOURCES = {
    "ratings": """
        SELECT user_id || '-' || strftime(day, '%Y%m%d') AS visit_id, user_id, film_id, rating, rated_at, came_before, known
        FROM rated WHERE day = DATE '{day}'""",
    "profiles": """
        SELECT user_id, list_aggregate(list(film_id ORDER BY rated_at DESC, film_id) FILTER (rating >= 4)[:{longest}],
                'string_agg', ' ') AS liked,
            string_agg(film_id, ' ' ORDER BY rated_at DESC, film_id) AS rated, max(rated_at) AS rated_at
        FROM rated WHERE day <= DATE '{day}' AND user_id IN (SELECT user_id FROM rated WHERE day = DATE '{day}')
        GROUP BY user_id""",
    "films": """
        SELECT 'f' || movie_id AS film_id, movie_title AS title, "Action", "Comedy", "Drama", "Thriller"
        FROM catalogue WHERE 'f' || movie_id IN (SELECT film_id FROM rated WHERE day <= DATE '{day}')""",
}


def land(storage: Storage, first: date, last: date, model: str = MODEL) -> int:
    """Write the days; returns how many files were new. Days that the data do not reach have no file."""
    connection, written = _opened(), 0
    for day in days_between(max(first, FIRST), min(last, LAST)):
        for source, sql in SOURCES.items():
            rows = connection.sql(f"SELECT * FROM ({sql.format(day=day, longest=LONGEST)}) ORDER BY ALL").to_arrow_table()
            path = f"raw/{model}/{source}/date={day}/part.parquet"
            data = _bytes(rows)
            if not storage.exists(path) or storage.read(path) != data:
                storage.write(path, data)
                written += 1
    return written


@cache
def _opened() -> duckdb.DuckDBPyConnection:
    connection = open_session()
    connection.register("ratings", widedeep.table(widedeep.RATINGS))
    connection.register("catalogue", widedeep.table(widedeep.FILMS))
    connection.execute(_RATED)
    return connection


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
