"""The visits of March and April 1998, each month by a model of those before it: whole lists, over the whole catalogue.

Asked are the visits of users who had rated five films at least; what they liked then (4 or 5 stars) is relevant, what they had
rated before is left out of every list. Ours is the version as it would serve: vector, nearest films, the charts, ranker, with the
features as of the day before. Peers, on the same visits and with the same films left out:

- popularity: all likes until the day before;
- popularity of 14 days, the best of 7, 14, 28 and 56 on the months before: told beside it, without a goal. It is much the harder
  one to beat, for most of what is liked on these visits is new;
- `implicit`'s alternating least squares, the matrix factorisation of a kept library, which gets a vector of each user anew from
  all that was liked before the visit; its size and weights are the best of six on the months before.

Goals: NDCG@10 and recall@20 above popularity and above the library's. The library gets an environment of its own, made by pip in
`--root` on first use.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.cases.fitted import Fitted, fit
from benchmarks.cases.later_month import between, kept_rows, known_by
from benchmarks.table import Table
from examples.models.recommend.features import CHARTED, DAYS
from examples.models.recommend.raw_days import FIRST, LAST, land
from examples.models.recommend.spec import SPEC
from include.core.storage import LocalStorage
from include.metrics.arrays import Floats

STRETCH = ((date(1998, 3, 1), date(1998, 3, 31)), (date(1998, 4, 1), LAST))
VALIDATION = ((date(1998, 1, 1), date(1998, 1, 31)), (date(1998, 2, 1), date(1998, 2, 28)))
OURS, FORTNIGHT = "ours", f"popularity of {DAYS} days"
LEAST, AT, DEEP = 5, 10, 20
LIBRARY = "implicit==0.7.3"
ALS = {"factors": 16, "regularization": 0.01, "alpha": 1.0, "iterations": 15}
_ALS = """
import json, sys
import numpy as np, scipy.sparse as sparse
from implicit.als import AlternatingLeastSquares
asked = json.load(sys.stdin)
users, films = zip(*asked["likes"])
matrix = sparse.csr_matrix((np.ones(len(users), np.float32), (users, films)), shape=asked["shape"])
model = AlternatingLeastSquares(random_state=7, num_threads=1, **asked["params"])
model.fit(matrix, show_progress=False)
said = []
for liked in asked["visits"]:
    row = sparse.csr_matrix((np.ones(len(liked), np.float32), ([0] * len(liked), liked)), shape=(1, asked["shape"][1]))
    said.append((model.item_factors @ np.ravel(model.recalculate_user(0, row))).astype(float).round(6).tolist())
json.dump(said, sys.stdout)
"""


@dataclass(frozen=True)
class Visit:
    """`liked_before`, `rated`: before the visit's day. `relevant`: liked on it."""

    day: date
    liked_before: tuple[str, ...]
    rated: frozenset[str]
    relevant: frozenset[str]


def run(table: Table, root: Path, *, validation: bool = False) -> None:
    land(LocalStorage(root), FIRST, LAST, SPEC.name)
    rows = kept_rows(SPEC.name, root, FIRST, LAST, late=0)
    ratings, months = _ratings(root), VALIDATION if validation else STRETCH
    parts = [_month(root, rows, ratings, first, last) for first, last in months]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    asked = f"{len(found[OURS]):,} visits from {months[0][0]} to {months[-1][1]}"
    table.head(f"recommend: {asked}, each month by a model of those before")
    for name, figures in found.items():
        table.row(f"NDCG@{AT}: {name}", float(figures[:, 0].mean()), "")
        table.row(f"recall@{DEEP}: {name}", float(figures[:, 1].mean()), "")
    for peer in [name for name in found if name != OURS]:
        for place, what in enumerate((f"NDCG@{AT}", f"recall@{DEEP}")):
            ahead = found[OURS][:, place] - found[peer][:, place]
            error = ahead.std() / len(ahead) ** 0.5
            goal = None if peer == FORTNIGHT else 1e-9
            table.row(f"{what}: ahead of {peer} (standard error {error:.4f})", float(ahead.mean()), "", least=goal)


def _month(root: Path, rows: pa.Table, ratings: pa.Table, first: date, last: date) -> dict[str, Floats]:
    """NDCG and recall of each visit, by whose list: [visits, 2]."""
    known = known_by(between(rows, first - timedelta(days=SPEC.training.window_days), first - timedelta(days=1)), first)
    visits = _visits(ratings, first, last)
    lists = {
        OURS: _ours(fit(SPEC, known, root / f"fit-{first}"), ratings, visits),
        "popularity of all time": _popularity(ratings, visits, 10_000),
        FORTNIGHT: _popularity(ratings, visits, DAYS),
        f"{LIBRARY}, least squares": _als(root, ratings, visits, first),
    }
    return {name: _measured(visits, each) for name, each in lists.items()}


# -- what happened ----------------------------------------------------------------------------------------


def _ratings(root: Path) -> pa.Table:
    """user, film, rating, day, came_before of every rating, in the order of time."""
    files = f"{root}/raw/{SPEC.name}/ratings/*/part.parquet"
    found = duckdb.sql(f"""
        SELECT user_id AS user, film_id AS film, rating, rated_at::DATE AS day, came_before FROM read_parquet('{files}')
        ORDER BY rated_at, user_id, film_id
    """)
    assert found is not None  # a query gives rows
    return found.to_arrow_table()


def _visits(ratings: pa.Table, first: date, last: date) -> list[Visit]:
    by_user: dict[str, list[dict[str, Any]]] = {}
    for row in ratings.to_pylist():
        by_user.setdefault(row["user"], []).append(row)
    found = []
    for rows in by_user.values():
        for day in sorted({row["day"] for row in rows if first <= row["day"] <= last}):
            before = [row for row in rows if row["day"] < day]
            relevant = frozenset(row["film"] for row in rows if row["day"] == day and row["rating"] >= 4)
            if len(before) >= LEAST and relevant:
                liked = tuple(row["film"] for row in reversed(before) if row["rating"] >= 4)
                found.append(Visit(day, liked, frozenset(row["film"] for row in before), relevant))
    return found


class Shares:
    """Of the likes of some days before a day, by whoever came before or first: percent by film."""

    def __init__(self, ratings: pa.Table) -> None:
        self._connection = duckdb.connect()
        self._connection.register("ratings", ratings)
        self._known: dict[tuple[Any, ...], dict[str, float]] = {}

    def of(self, day: date, days: int, whose: str) -> Mapping[str, float]:
        if (day, days, whose) not in self._known:
            since = day - timedelta(days=min(days, 10_000))
            found = self._connection.sql(f"""
                SELECT film, 100.0 * count(*) / sum(count(*)) OVER () AS share FROM ratings
                WHERE rating >= 4 AND day < DATE '{day}' AND day >= DATE '{since}' AND {whose}
                GROUP BY ALL ORDER BY share DESC, film
            """).fetchall()
            self._known[day, days, whose] = dict(found)
        return self._known[day, days, whose]


# -- lists, best first ------------------------------------------------------------------------------------


def _ours(ours: Fitted, ratings: pa.Table, visits: Sequence[Visit]) -> list[list[str]]:
    assert ours.retrieval is not None
    shares = Shares(ratings)
    made = []
    for visit in visits:
        again, firsts = shares.of(visit.day, DAYS, "came_before"), shares.of(visit.day, DAYS, "NOT came_before")
        charted = " ".join(list(again)[:CHARTED])
        row = {"member": "", "liked": " ".join(visit.liked_before[:200]), "rated": " ".join(visit.rated), "charted": charted}
        items = ours.retrieval.candidates(row, ours.retrieval.vector(row), ())
        known = [{"film": film, "share": again.get(film, 0.0), "share_of_first": firsts.get(film, 0.0)} for film in items]
        scores = ours.model.score(ours.encoder.encode_rows([{**row, **each} for each in known]))
        made.append([items[place] for place in np.argsort(-scores, kind="stable")[:DEEP]])
    return made


def _popularity(ratings: pa.Table, visits: Sequence[Visit], days: int) -> list[list[str]]:
    shares = Shares(ratings)
    return [_top([*shares.of(visit.day, days, "true")], visit) for visit in visits]


def _als(root: Path, ratings: pa.Table, visits: Sequence[Visit], first: date) -> list[list[str]]:
    known = [row for row in ratings.to_pylist() if row["day"] < first and row["rating"] >= 4]
    films = sorted({row["film"] for row in known})
    users = {user: place for place, user in enumerate(sorted({row["user"] for row in known}))}
    place = {film: number for number, film in enumerate(films)}
    asked = {
        "likes": [(users[row["user"]], place[row["film"]]) for row in known],
        "shape": [len(users), len(films)],
        "visits": [[place[film] for film in visit.liked_before if film in place] for visit in visits],
        "params": ALS,
    }
    python = _environment(root / "als")
    said = subprocess.run([python, "-c", _ALS], input=json.dumps(asked), capture_output=True, text=True, check=True).stdout
    orders = [np.argsort(-np.array(each), kind="stable") for each in json.loads(said)]
    return [_top([films[film] for film in order], visit) for order, visit in zip(orders, visits, strict=True)]


def _environment(folder: Path) -> Path:
    """The interpreter of an environment with the library: the project's own has no matrix factorisation to compare with."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", LIBRARY], check=True, stdout=sys.stderr)
    return python


def _top(films: Sequence[str], visit: Visit) -> list[str]:
    return [film for film in films if film not in visit.rated][:DEEP]


# -- what they are worth ----------------------------------------------------------------------------------


def _measured(visits: Sequence[Visit], lists: Sequence[Sequence[str]]) -> Floats:
    """NDCG@10 and recall@20 of each: [visits, 2]."""
    gains = 1 / np.log2(np.arange(2, AT + 2))
    found = []
    for visit, made in zip(visits, lists, strict=True):
        hits = np.array([film in visit.relevant for film in made], dtype=float)
        best = gains[: min(AT, len(visit.relevant))].sum()
        found.append(((hits[:AT] * gains[: len(hits[:AT])]).sum() / best, hits[:DEEP].sum() / len(visit.relevant)))
    return np.array(found)
