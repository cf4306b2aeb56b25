"""What a step read and wrote, as data sets with names that stay: for catalogues of data outside.

    raw/{model}/{source}        a day's partition, as it landed
    features/{model}/{name}     published days of a view, of the entities and of the labels
    predictions/{model}         the prediction log
    models/{model}              a registered version
    {plural of a step}/{model}  the result of any other step, such as training_sets/{model}

A name is of all days and versions of a thing; `version` is the digest of what was read or written this time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from include.core.address import without_login
from include.core.digest import digest_json
from include.core.json_types import Json
from include.core.ledger import Ledger
from include.core.request import Ref, Request, Result
from include.point_in_time.known import OF_SET, days_of
from include.step_values.validation import CheckValue
from include.versions.record import VersionRecord

NAMES = {
    "validate": "verdicts", "validate_training_set": "verdicts", "training_set": "training_sets", "train": "trained",
    "import": "trained", "evaluate": "evaluations", "collect": "windows", "labels": "feedback", "reference": "references",
    "monitor": "findings", "score": "scores", "tune": "tunings", "shadows": "probes", "past": "pasts",
}  # fmt: skip
READ_THE_LOG = ("collect", "labels", "skew", "withdrawn")  # steps whose input is the prediction log


@dataclass(frozen=True)
class Data:
    """One data set, as one step met it."""

    name: str
    place: str = ""
    """The address of the server that has it, without a login; empty: it is under the storage root."""
    version: str = ""
    rows: int | None = None
    bytes: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """Name and type."""
    checks: Sequence[CheckValue] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Flow:
    """What one task read and wrote. `facts`: of the task's own doing."""

    inputs: tuple[Data, ...] = ()
    outputs: tuple[Data, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


def flow_of(result: Result, ledger: Ledger) -> Flow:
    """Of a result of the ledger. Reads the records of its inputs, none of their files."""
    request = ledger.request(result.key)
    facts: dict[str, Json] = {
        "key": result.key, "generation": result.generation, "attempt": result.attempt, "digest": result.digest,
        "code": request.code, "seconds": result.seconds, "committed_at": result.committed_at,
    }  # fmt: skip
    return Flow(tuple(_read(request, result, ledger)), tuple(_written(request, result)), facts)


def features_of(result: Result, request: Request) -> Iterator[Data]:
    """The data sets of a day's `features`."""
    columns = dict(_columns(request.params.get("features", {})))
    for name, rows in result.value["rows"].items():
        file = result.files.get(f"{name}.parquet")
        yield Data(
            f"features/{request.model}/{name}",
            version=file.digest if file else "",
            rows=int(rows),
            bytes=file.bytes if file else None,
            columns=columns.get(name, ()),
            facts={"day": result.value["day"]},
        )


def _read(request: Request, result: Result, ledger: Ledger) -> Iterator[Data]:
    model = request.model
    if request.step == "validate":
        yield from _judged(model, request.params, result.value)
    for source, days in request.params.get("partitions", {}).items() if request.step == "features" else ():
        yield Data(f"raw/{model}/{source}", version=digest_json(days), facts={"days": sorted(days), "digests": days})
    if request.step in READ_THE_LOG:
        yield Data(f"predictions/{model}", facts={"window": str(result.value.get("window", ""))})
    days = {name: ref for name, ref in request.inputs.items() if ref.kind == "features"}
    for owner in dict.fromkeys(name.rpartition(OF_SET)[0] for name in days):
        yield from _published(days_of(days, owner), ledger)
    for ref in request.inputs.values():
        if ref.kind != "features":
            yield _result(model, ledger.resolve(ref))


def _judged(model: str, params: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[Data]:
    for source, digest in params["sources"].items():
        verdict = value["sources"][source]
        facts = {"day": params["day"], "quarantined": verdict["quarantined"], "passed": verdict["passed"]}
        yield Data(f"raw/{model}/{source}", version=digest, rows=verdict["rows"], checks=verdict["checks"], facts=facts)


def _published(days: Mapping[str, Ref], ledger: Ledger) -> Iterator[Data]:
    """Many days as one data set each: of the newest its columns, of all of them one digest."""
    names = sorted(days)
    newest = ledger.resolve(days[names[-1]])
    version = digest_json({name: ref.digest for name, ref in days.items()})
    facts: dict[str, Json] = {"days": len(names), "first": names[0], "last": names[-1]}
    for each in features_of(newest, ledger.request(newest.key)):
        yield Data(each.name, version=version, columns=each.columns, facts=facts)


def _written(request: Request, result: Result) -> Iterator[Data]:
    if request.step == "features":
        yield from features_of(result, request)
        return
    if request.step == "land":
        digests: dict[str, Json] = {name.removesuffix(".parquet"): file.digest for name, file in sorted(result.files.items())}
        facts: dict[str, Json] = {"days": sorted(digests), "digests": digests, "query": result.value["query"]}
        rows = sum(result.value["rows"].values())
        yield Data(f"raw/{request.model}/{result.value['source']}", version=digest_json(digests), rows=rows, facts=facts)
        return
    yield _result(request.model, result)
    for name, file in result.files.items():
        if name.startswith("quarantine-"):
            source = name.removeprefix("quarantine-").removesuffix(".parquet")
            rows = result.value["sources"][source]["quarantined"]
            yield Data(f"quarantine/{request.model}/{source}", version=file.digest, rows=rows, bytes=file.bytes)


def _result(model: str, result: Result) -> Data:
    step = result.key.partition("/")[0]
    rows = result.value.get("rows")
    kept = ("as_of", "window", "first", "last", "day", "passed", "holdout_rows", "labelled")
    facts: dict[str, Json] = {name: result.value[name] for name in kept if name in result.value}
    if (gate := result.value.get("gate")) is not None:
        facts["gate"] = gate
    digests: dict[str, Json] = {name: file.digest for name, file in result.files.items()}
    return Data(
        f"{NAMES.get(step, step)}/{model}",
        version=result.digest,
        rows=rows if isinstance(rows, int) else None,
        bytes=sum(file.bytes for file in result.files.values()),
        facts={**facts, "files": digests},
    )


def _columns(features: Mapping[str, Any]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """By view, from the spec's section as a request holds it."""
    for view in features.get("views", ()):
        keys = tuple((str(key), "key") for key in view["keys"])
        yield view["name"], (*keys, *((each["name"], each["dtype"]) for each in view["features"]))


def online_flow(result: Result, ledger: Ledger, address: str, views: Mapping[str, Mapping[str, int]]) -> Flow:
    """Of a day's features that were brought online: `address` of the store, and by view the rows written."""
    read = tuple(each for each in features_of(result, ledger.request(result.key)) if each.name.rpartition("/")[2] in views)
    place = without_login(address).partition("?")[0]
    written = tuple(_online(each, place, views) for each in read)
    return Flow(read, written, {"key": result.key, "digest": result.digest})


def _online(read: Data, place: str, views: Mapping[str, Mapping[str, int]]) -> Data:
    _, model, view = read.name.split("/")
    return replace(read, name=f"online/{model}/{view}", place=place, rows=views[view]["written"], bytes=None)


def version_flow(record: VersionRecord, ledger: Ledger) -> Flow:
    """Of a registered version: what it was made from, and the version."""
    entry, model = record.entry, record.entry.model
    made_of = dict.fromkeys((entry.lineage.train, entry.lineage.training_set, entry.lineage.evaluation))
    read = tuple(_result(model, ledger.resolve(ref)) for ref in made_of)
    facts: dict[str, Json] = {
        "semver": record.semver, "stage": str(record.stage), "as_of": entry.as_of, "gate": entry.gate.passed,
        "reasons": list(entry.gate.reasons), "commit": entry.lineage.commit, "code": entry.lineage.code,
    }  # fmt: skip
    return Flow(read, (Data(f"models/{model}", version=str(record.version), facts=facts),), {"key": entry.key})
