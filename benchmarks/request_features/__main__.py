"""`python -m benchmarks.request_features`: request features in training and in the gateway.

First parity: 100,000 generated requests, bit for bit, of the nine features of a fraud score and of every operator and function on
the list. Then what one request costs in the gateway, beside DuckDB asked for each and Feast's on-demand feature views.
Goals: no value differs; nine features in under 10 microseconds; 20 times cheaper than DuckDB for each request, and than Feast in
pandas.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.request_features.expressions import FRAUD, LISTED, listed
from benchmarks.table import Table
from include.core.expression.checked import TIME
from include.core.spec import Features
from include.request_features.compiled import Derive, compiled
from include.request_features.definition import RequestFeatures
from include.request_features.interpreted import Interpreted
from include.request_features.parity import difference, generated
from include.serving.models.computing import checked_computing

REQUESTS = 100_000
MOST_US, TIMES = 10.0, 20.0
ROUNDS = 7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    options = parser.parse_args()
    table = Table()
    _parity(table, options.requests)
    _cost(table)
    return int(bool(table.missed))


def _of(features: Features) -> RequestFeatures:
    wanted = RequestFeatures.of(features)
    assert wanted is not None
    return wanted


def _parity(table: Table, requests: int) -> None:
    for name, features in (("a fraud score", FRAUD), (f"the list, {len(LISTED)} expressions", listed())):
        wanted = _of(features)
        table.head(f"{name}: {requests:,} generated requests, the compiled function against DuckDB")
        differs = difference(wanted, compiled(wanted.expressions, wanted.features), generated(wanted.given, requests))
        compared = requests * len(wanted.names)
        table.line("values that differ in a bit", "1 or more" if differs else f"0 of {compared:,}", "none", met=not differs)
        if differs:
            table.say(differs)


def _cost(table: Table) -> None:
    wanted = _of(FRAUD)
    requests = generated(wanted.given, 2000, seed=11).to_pylist()
    # What Feast's views cannot take: NULL, and numbers that Python's arithmetic fails at.
    plain = [{name: _usual(name, value) for name, value in row.items()} for row in requests]
    derive = compiled(wanted.expressions, wanted.features)
    table.head(f"one request, {len(wanted.names)} features: the median of {ROUNDS} rounds")
    ours = _microseconds(_asked(derive), plain)
    table.row("compiled, as the gateway does", ours, "us", most=MOST_US)
    _peers(table, plain, ours)
    query = Interpreted(wanted)
    table.row("what stands in where bits differ: DuckDB, level by level", _microseconds(_asked(query), plain[:100]), "us")
    began = perf_counter()
    checked_computing(wanted)
    table.row("the check against DuckDB when a version is loaded", (perf_counter() - began) * 1e3, "ms")


def _asked(derive: Derive) -> Callable[[dict[str, Any]], None]:
    return lambda row: derive(row, row[TIME])


def _peers(table: Table, rows: list[dict[str, Any]], ours: float) -> None:
    from benchmarks.request_features.peers import pandas_view, prepared_statement, python_view

    asked = [{**row, "hour_of": row[TIME].hour} for row in rows]
    for row in asked:
        del row[TIME]
    duckdb = _microseconds(prepared_statement(), asked[:300])
    table.row("DuckDB, a prepared statement for each request", duckdb, "us")
    table.row("  times as dear", duckdb / ours, "x", least=TIMES)
    pandas = _microseconds(pandas_view(), asked[:200])
    table.row("Feast, an on-demand view in pandas", pandas, "us")
    table.row("  times as dear", pandas / ours, "x", least=TIMES)
    python = _microseconds(python_view(), asked)
    table.row("Feast, an on-demand view in Python, a row at a time", python, "us")
    table.row("  times as dear", python / ours, "x")


def _usual(name: str, value: Any) -> Any:
    """A payment as they come."""
    usual = {
        "amount": 42.5, "mean_amount_7d": 31.2, "sd_amount_7d": 12.0, "payments_7d": 4, "lat": 48.1, "lon": 11.6,
        "home_lat": 52.5, "home_lon": 13.4, "country": "DE", "home_country": "DE",
    }  # fmt: skip
    return usual.get(name, value)


def _microseconds(call: Callable[[dict[str, Any]], Any], rows: list[dict[str, Any]]) -> float:
    found = []
    for _ in range(ROUNDS):
        copies = [dict(row) for row in rows]
        began = perf_counter()
        for row in copies:
            call(row)
        found.append((perf_counter() - began) / len(rows) * 1e6)
    return median(found)


if __name__ == "__main__":
    raise SystemExit(main())
