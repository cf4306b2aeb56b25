"""`slipstream redact MODEL --request ID | --entity KEY=VALUE`: take a person's requests out of the prediction log, and say
what else still holds them."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.catalog import load_spec
from include.core.digest import digest_json
from include.core.entity_key import entity_key
from include.core.errors import SpecError
from include.core.ledger import Ledger
from include.core.scratch import scratch_folder
from include.core.spec import ModelSpec
from include.core.table import table
from include.governance.invalidation import LedgerEntry, dependents, find
from include.prediction_log.record import Record
from include.prediction_log.redaction import Wanted, redact, requests_of, wish
from include.prediction_log.units import units_of

HEAD = ("step", "day", "key")
SHOWN = 40
SHAPES: Shapes = {
    "": {
        "model": "its name", "requests": "how many are meant", "changed": "whether anything was: false without --yes",
        "records": "of the prediction log that were overwritten; null without --yes",
        "holding": "the published partitions that name them: `step`, `day`, `key` ...", "dependents": "what was made from those",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--request", action="append", default=[], metavar="ID", help="a request's id; may be given again")
    parser.add_argument("--entity", action="append", default=[], metavar="KEY=VALUE", help="each key of the entity")
    parser.add_argument("--yes", action="store_true", help="do it; without, only show what it would affect")
    parser.set_defaults(refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    if bool(options.request) == bool(options.entity):
        options.refuse("give either --request, or --entity once for each of its keys")
    context = open_context()
    spec = load_spec(options.model, context.settings.models)
    units = _units(context, spec, options.entity) if options.entity else set()
    mine = _of_entity(spec, options.entity, units) if options.entity else _of_requests(options.request)
    ids = requests_of(context.prediction_log, options.model, mine) | set(options.request)
    holding = _holding(context.ledger, options.model, ids)
    derived = dependents(context.ledger, [each.key for each in holding])
    print(f"Requests meant: {len(ids)}.")
    count = None
    if options.yes:
        count = _redact(context, options, mine, ids, units)
        print(f"{count} records of the prediction log were overwritten." if count else "The prediction log holds none of them.")
    _print(options.model, holding, derived)
    if not options.yes:
        print("\nNothing was changed. Add --yes to do it.")
    meant = {"model": options.model, "requests": len(ids), "changed": options.yes, "records": count}
    answer(options, {**meant, "holding": holding, "dependents": derived})
    return 0


def _redact(context: CliContext, options: argparse.Namespace, mine: Wanted, ids: set[str], units: set[str]) -> int:
    """The audit row goes first: nothing goes without one. It says who was meant by a keyed digest alone. Then the wish: what
    other gateways have on their disks is redacted there, and what they ship meanwhile."""
    key = entity_key(context.settings.home, context.settings.environ)
    whom = digest_json([options.model, sorted(options.request), sorted(options.entity)])
    detail = {"whom": hashlib.blake2b(whom.encode(), key=key, digest_size=16).hexdigest(), "requests": len(ids)}
    with context.control.transaction() as connection:
        context.control.append_audit(connection, context.actor, "redact", options.model, detail)

    def wanted(record: Record) -> bool:
        if record.kind in ("prediction", "shadow") and options.entity:
            return mine(record) or (record.kind == "shadow" and not record.unit and record.id in ids)
        return record.id in ids

    wish(context.prediction_log, options.model, key, ids, units)
    return redact(context.prediction_log, options.model, wanted)


def _of_requests(ids: Sequence[str]) -> Wanted:
    wanted = frozenset(ids)
    return lambda record: record.id in wanted


def _units(context: CliContext, spec: ModelSpec, given: Sequence[str]) -> set[str]:
    """The entity's hashes, keyed and, of earlier releases, plain: also where its keys are not logged. Raises SpecError.

    Of a ranking the query is the entity: whose lists they are, whatever the candidates.
    """
    model, keys = spec.name, spec.problem.unit_keys(spec.features.keys)
    values = _values(given)
    if sorted(values) != sorted(keys) or len(values) != len(given):
        raise SpecError(
            f"An entity of {model} has the keys {', '.join(keys) or 'none'}.",
            seen=sorted(given), safe="nothing was changed.", hint="give --entity KEY=VALUE once for each.",
        )  # fmt: skip
    return units_of(context.settings, model)([values[key] for key in keys])


def _of_entity(spec: ModelSpec, given: Sequence[str], units: set[str]) -> Wanted:
    beside, values = set(spec.features.keys) - set(spec.problem.unit_keys(spec.features.keys)), _values(given)
    return lambda record: record.unit in units or _without(record, beside) == values


def _values(given: Sequence[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in given if "=" in pair)


def _without(record: Record, beside: Collection[str]) -> dict[str, str]:
    """The entity's keys as text, but for some."""
    return {name: str(value) for name, value in record.entity.items() if name not in beside}


def _holding(ledger: Ledger, model: str, ids: set[str]) -> list[LedgerEntry]:
    """The `features` results whose entity rows or labels name one of the requests."""
    if not ids or not any(path.startswith("ledger/features/") for path in ledger.storage.list("ledger/features")):
        return []
    found = []
    with scratch_folder() as scratch:
        for each in find(ledger, model, "features"):
            result = ledger.result(each.key)
            names = [name for name in ("entities.parquet", "labels.parquet") if result and name in result.files]
            if result and any(_names(str(ledger.fetch(result, name, scratch)), ids) for name in names):
                found.append(each)
    return found


def _names(path: str, ids: set[str]) -> bool:
    column = pq.read_table(path, columns=["request_id"])["request_id"]
    return bool(pc.any(pc.is_in(pc.cast(column, "string"), value_set=pa.array(sorted(ids), pa.string()))).as_py())


def _print(model: str, holding: Sequence[LedgerEntry], derived: Sequence[LedgerEntry]) -> None:
    if not holding:
        print("No published partition names them.")
    else:
        print(f"\nStill in published partitions ({len(holding)}), which are made from the raw data:\n{_list(holding)}")
    if derived:
        print(f"\nMade from those ({len(derived)}): training sets and models hold or have learned from them:\n{_list(derived)}")
    if holding:
        print(
            "\nNext: have the owner of the raw data delete the rows and land the days again, which publishes them anew; the\n"
            f"next training of {model} is then without them. A model that has learned from them is replaced by that training:\n"
            "do not roll back to it. Feature rows online go with their time to live, or when written over."
        )


def _list(held: Sequence[LedgerEntry]) -> str:
    more = f"\n… and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
    return table(HEAD, [(each.step, each.day, each.key) for each in held[:SHOWN]]) + more
