"""`slipstream cost MODEL`: what its versions, its answers and its champion's age have cost, in seconds and in money."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.errors import NotReadyError
from include.core.spec import ModelSpec
from include.core.table import table
from include.core.time import now, timestamp
from include.costs.prices import Prices, shown
from include.costs.served import Served, served
from include.costs.spent import total
from include.costs.version import VersionCost, told
from include.monitoring.retraining.retrainings import newest
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION
from include.versions.queries import at_version, records
from include.versions.record import VersionRecord

WINDOWS = 8  # decisions, the newest
SHAPES: Shapes = {
    "": {
        "model": "its name",
        "prices": "the price table of today: `currency`, `cpu_hour`, `gpu_hour`, `memory_gb_hour`, `storage_gb_month`; null: "
        "unknown",
        "versions": "each: `version`, `stage`, `training` (`seconds`, `money`, how many attempts are `untimed` and `unpriced`, "
        "`attempts`), `thousand` predictions as the evaluation timed them, `stored`, `prices` that it was counted by",
        "served": "by version, of the newest monitoring window's length: `predictions`, `seconds`, `thousand`",
        "since": "when that begins",
        "windows": "of the newest decisions: `as_of`, `action`, `price` of a retrain, `stale_window` in money, `money`",
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--version", type=int, metavar="N", help="only this one, with its attempts")
    parser.add_argument("--today", action="store_true", help="by the prices of today, not of the day of registration")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    spec = context.spec(options.model)
    prices = Prices.of(spec.cost, context.settings.environ or None)
    counted = [(record, context.cost(record)) for record in _records(context, options)]
    if options.today:
        counted = [(record, cost.by(prices)) for record, cost in counted]
    since = now() - timedelta(days=spec.monitoring.window_days)
    answered, windows = _served(context, spec, timestamp(since)), _windows(context, spec.name)
    value = {
        "model": spec.name,
        "prices": prices.to_json(),
        "versions": [{"version": each.version, "stage": str(each.stage), **cost.to_json()} for each, cost in counted],
        "served": [each.to_json(prices) for each in answered],
        "since": timestamp(since),
        "windows": windows,
    }
    answer(options, value, _words(spec, prices, counted, answered, windows, options))
    return 0


def _records(context: CliContext, options: argparse.Namespace) -> list[VersionRecord]:
    if options.version is None:
        return records(context.control, options.model)[::-1]
    with context.control.engine.connect() as connection:
        return [at_version(connection, options.model, options.version)]


def _served(context: CliContext, spec: ModelSpec, since: str) -> list[Served]:
    try:
        found = read_records(context.prediction_log, spec.name, since)
        return served((record.version, record.latency_us) for record in found if record.kind == PREDICTION)
    except NotReadyError:
        return []


def _windows(context: CliContext, model: str) -> list[dict[str, Any]]:
    return [_window(row) for row in newest(context.control, model, WINDOWS)]


def _window(row: Mapping[str, Any]) -> dict[str, Any]:
    evidence = (row["evidence"] or {}).get("evidence", {})
    money = evidence.get("money", {})
    return {
        "as_of": row["as_of"],
        "action": row["action"],
        "price": money.get("price"),
        "stale_window": evidence.get("stale_window"),
        "money": money,
    }


def _words(
    spec: ModelSpec,
    prices: Prices,
    counted: Sequence[tuple[VersionRecord, VersionCost]],
    answered: Sequence[Served],
    windows: Sequence[Mapping[str, Any]],
    options: argparse.Namespace,
) -> Iterator[str]:
    yield f"{spec.name}: {_table_words(prices)}"
    rows = [_row(record, cost) for record, cost in counted]
    yield table(("version", "stage", "training takes", "and costs", "1,000 predictions", "storage, a month"), rows)
    if options.version is not None:
        yield from (_attempts(cost) for _, cost in counted)
    if answered:
        yield f"\nServed in the last {spec.monitoring.window_days} days, by the clock of each answer:"
        yield table(
            ("version", "predictions", "seconds for 1,000", "at most"),
            [(each.version or "default", f"{each.predictions:,}", f"{each.thousand:.3f}", shown(each.money(prices), prices))
             for each in answered],
        )  # fmt: skip
    else:
        yield f"Nothing was served in the last {spec.monitoring.window_days} days."
    if any(each["money"] for each in windows):
        yield "\nDecisions about retraining:"
        yield table(("as of", "decided", "price of a retrain", "a window of the stale champion"), _decided(windows, prices))


def _table_words(prices: Prices) -> str:
    named = {
        "CPU hour": prices.cpu_hour, "GPU hour": prices.gpu_hour, "GiB hour of memory": prices.memory_gb_hour,
        "GiB month of storage": prices.storage_gb_month,
    }  # fmt: skip
    known = [f"{name} {price:g}" for name, price in named.items() if price is not None]
    if not known:
        return "no prices are known (SLIPSTREAM_COST_CPU_HOUR and its kin, or the spec's section `cost`)"
    return f"prices in {prices.unit}: {', '.join(known)}" if prices.currency else f"prices: {', '.join(known)}"


def _row(record: VersionRecord, cost: VersionCost) -> tuple[object, ...]:
    (seconds, untimed), prices = cost.seconds, cost.prices
    took = "unknown" if seconds is None else f"{'at least ' if untimed else ''}{timedelta(seconds=round(seconds))}"
    return (
        record.version, str(record.stage), took, told(*cost.training, prices), shown(cost.thousand_money, prices),
        shown(cost.storage_month, prices),
    )  # fmt: skip


def _attempts(cost: VersionCost) -> str:
    rows = []
    for each in cost.spent:
        took = "unknown" if each.seconds is None else f"{'at most ' if each.at_most else ''}{each.seconds:.1f} s"
        hours = "unknown" if each.cpu_hours is None else f"{each.cpu_hours:.4f}"
        rows.append((each.step, each.attempt, took, hours, shown(each.money(cost.prices), cost.prices), each.reason[:60]))
    known, unknown = total(each.cpu_hours for each in cost.spent)
    told_hours = "unknown" if known is None else f"{known:.4f}"
    foot = f"CPU hours together: {told_hours}" + (f", of {unknown} attempts unknown" if unknown else "")
    return "\n" + table(("step", "attempt", "takes", "CPU hours", "costs", "ended for"), rows) + "\n" + foot


def _decided(windows: Sequence[Mapping[str, Any]], prices: Prices) -> list[tuple[object, ...]]:
    def priced(each: Mapping[str, Any]) -> str:
        return str(each["money"].get("why", "unknown")) if each["price"] is None else f"{each['price']:.4g} of a window's loss"

    return [(each["as_of"][:10], each["action"], priced(each), shown(each["stale_window"], prices)) for each in windows]
