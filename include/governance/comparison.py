"""Two versions side by side: what differs in their data, parameters, code, features and metrics. Read from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.core.control import ControlStore
from include.core.errors import DataError, SlipstreamError, one_line
from include.core.ledger import Ledger
from include.core.request import Json, Ref, Request
from include.governance.numbers import FACTS as KEPT
from include.governance.registration import recipe
from include.versions.record import VersionRecord
from include.versions.shown import given_up, shown_version

Found = dict[str, Any]
FACTS = tuple(name for name in KEPT if name != "views")
LONGEST = 120  # characters of a value that is shown


def compare(ledger: Ledger, control: ControlStore, model: str, before: int, after: int) -> dict[str, Json]:
    """Of two versions of a model; `before` is the one that `after` is held against.

    A part whose results are gone from the ledger has a `problem` instead; of a version that was given up the requests are there,
    and the numbers that were kept. Raises DataError for a version that is not there.
    """
    if before == after:
        raise DataError("A version is compared with another one.", seen=after, hint="name two.")
    old, new = (shown_version(control, model, number) for number in (before, after))
    parts: dict[str, Callable[[Ledger, VersionRecord, VersionRecord], Found]] = {
        "data": _data,
        "parameters": _parameters,
        "code": _code,
        "features": _features,
        "metrics": _metrics,
    }
    told = {name: _part(part, ledger, old, new) for name, part in parts.items()}
    return {"model": model, "before": _head(old), "after": _head(new), **told}


def _head(record: VersionRecord) -> Found:
    names = ("train", "training_set", "evaluation")
    digests = {name: getattr(record.entry.lineage, name).digest for name in names}
    return {
        "version": record.version,
        "semver": record.semver,
        "stage": str(record.stage),
        "as_of": record.entry.as_of,
        "given_up": gone.words if (gone := given_up(record)) is not None else "",
        **digests,
    }


def _part(part: Callable[..., Found], ledger: Ledger, old: VersionRecord, new: VersionRecord) -> Found:
    try:
        return part(ledger, old, new)
    except (SlipstreamError, FileNotFoundError) as error:
        return {"problem": one_line(error)}


def _request(ledger: Ledger, record: VersionRecord, ref: Ref) -> Request:
    return ledger.request(ref.key if given_up(record) is not None else ledger.resolve(ref).key)


def _training_set(ledger: Ledger, record: VersionRecord) -> tuple[Mapping[str, Any], Request]:
    """What it says of itself, and what it was asked with."""
    ref, gone = record.entry.lineage.training_set, given_up(record)
    if gone is not None and "training_set" not in gone.kept:
        raise DataError(f"Version {record.version} was {gone.words}; of its training set no numbers could be kept.")
    value = gone.kept["training_set"] if gone is not None else ledger.resolve(ref).value
    return value, _request(ledger, record, ref)


def _data(ledger: Ledger, old: VersionRecord, new: VersionRecord) -> Found:
    """Partitions by name with the digests of both; what the training sets count; their own digests."""
    (was, asked), (now, asks) = (_training_set(ledger, each) for each in (old, new))
    rows = _changes(_digests(asked), _digests(asks))
    same = len(set(asked.inputs) & set(asks.inputs)) - sum(1 for row in rows if row["before"] and row["after"])
    facts = [{"name": name, "before": was.get(name), "after": now.get(name)} for name in FACTS]
    shown = [fact for fact in facts if fact["before"] is not None or fact["after"] is not None]
    digests = {each.entry.lineage.training_set.digest for each in (old, new)}
    return {"same": len(digests) == 1, "partitions": rows, "unchanged": same, "facts": shown}


def _digests(request: Request) -> dict[str, str]:
    return {name: ref.digest for name, ref in request.inputs.items()}


def _parameters(ledger: Ledger, old: VersionRecord, new: VersionRecord) -> Found:
    made = [recipe(_request(ledger, each, each.entry.lineage.train)) for each in (old, new)]
    before, after = (dict(_flat(each)) for each in made)
    rows = _changes(before, after)
    return {"changed": rows, "unchanged": len(before.keys() & after.keys()) - sum(1 for row in rows if row["name"] in before)}


def _code(ledger: Ledger, old: VersionRecord, new: VersionRecord) -> Found:
    """Modules by the digests that the requests of the fit and of its training set hold; none where a release before kept none."""
    modules: list[dict[str, str]] = []
    for record in (old, new):
        lineage = record.entry.lineage
        requests = [_request(ledger, record, ref) for ref in (lineage.train, lineage.training_set)]
        modules.append({name: digest for request in requests for name, digest in request.modules.items()})
    commits = {"before": old.entry.lineage.commit, "after": new.entry.lineage.commit}
    same = old.entry.lineage.code == new.entry.lineage.code
    return {"same": same, "commit": commits, "modules": _changes(*modules), "known": all(modules)}


def _features(ledger: Ledger, old: VersionRecord, new: VersionRecord) -> Found:
    """Inputs of the model with their types, and the versions of the views behind them."""
    (was, _), (now, _) = (_training_set(ledger, each) for each in (old, new))
    fits = [_request(ledger, each, each.entry.lineage.train) for each in (old, new)]
    inputs = _changes(*(dict(_columns(each.params.get("features"))) for each in fits))
    return {"inputs": inputs, "views": _changes(was.get("views", {}), now.get("views", {}))}


def _metrics(ledger: Ledger, old: VersionRecord, new: VersionRecord) -> Found:
    """Each on the version's own holdout: two holdouts are two measurements, unless their training sets are the same."""
    del ledger
    before, after = old.entry.metrics, new.entry.metrics
    rows = [{"name": name, "before": before.get(name), "after": after.get(name)} for name in dict.fromkeys([*after, *before])]
    same = old.entry.lineage.training_set.digest == new.entry.lineage.training_set.digest
    return {"rows": rows, "same_holdout": same}


def _columns(features: Any) -> Iterator[tuple[str, str]]:
    """Of what a fit was asked with: a list of names, or the section `features` of a spec."""
    if isinstance(features, Mapping):
        given = [each for view in features.get("views", ()) for each in view.get("features", ())]
        yield from ((str(each["name"]), str(each.get("dtype", ""))) for each in (*given, *features.get("request", ())))
    elif isinstance(features, list | tuple):
        yield from ((str(each["name"]), str(each.get("dtype", ""))) if isinstance(each, Mapping) else (str(each), "input")
                    for each in features)  # fmt: skip


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    else:
        yield name, str(value)[:LONGEST]


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Found]:
    """What is not the same in both, by name; empty where it is not there."""
    names = sorted({*before, *after})
    pairs = ((name, before.get(name, ""), after.get(name, "")) for name in names)
    return [{"name": name, "before": old, "after": new} for name, old, new in pairs if old != new]
