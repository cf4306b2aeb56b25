"""What a version was made of: purpose, data, features, code, environment, training."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.core.acts import acts_in
from include.core.control import ControlStore
from include.core.digest import PROJECT, digest_bytes
from include.core.errors import SlipstreamError
from include.core.ledger import Ledger
from include.core.repository import commit_of
from include.core.request import Json, Ref, Request, Result
from include.core.spec import ModelSpec
from include.governance.package import read_signature
from include.governance.registration import recipe
from include.problems.of import of_spec
from include.versions.record import VersionRecord
from include.versions.trainer import trainer_in

NO_PERSON = "no person: a clock, or an event"
LOCKS = ("requirements.txt", "requirements/*.txt")
Owner = Callable[[str], str]


def purpose(spec: ModelSpec) -> dict[str, Json]:
    """From the spec as it is now."""
    return {
        "name": spec.name,
        "description": spec.description,
        "owner": spec.owner,
        "predicts": of_spec(spec).predicts(spec.label),
        "problem": spec.problem.model_dump(mode="json"),
        "sources": list(spec.data.sources),
    }


def data(ledger: Ledger, record: VersionRecord) -> dict[str, Json]:
    """The training set, and each partition of it with what validation said of its raw data."""
    training_set = ledger.resolve(record.entry.lineage.training_set)
    asked = ledger.request(training_set.key)
    told = {name: value for name, value in training_set.value.items() if name != "definitions"}
    partitions = [_partition(ledger, name, ref) for name, ref in sorted(asked.inputs.items())]
    return {
        "training_set": {"digest": record.entry.lineage.training_set.digest, "key": training_set.key, **told},
        "asked": {name: asked.params[name] for name in ("as_of", "window_days", "holdout_days") if name in asked.params},
        "partitions": partitions,
    }


def _partition(ledger: Ledger, name: str, ref: Ref) -> dict[str, Json]:
    try:
        result = ledger.resolve(ref)
        request = ledger.request(result.key)
    except (SlipstreamError, FileNotFoundError):
        return {"partition": name, "digest": ref.digest, "state": "missing"}
    verdicts = [_verdict(ledger, each) for role, each in request.inputs.items() if role == "verdict" or role.endswith("verdict")]
    rows = result.value.get("rows", {})
    return {
        "partition": name,
        "digest": ref.digest,
        "rows": rows,
        "raw": request.params.get("partitions", {}),
        "quality": verdicts,
    }


def _verdict(ledger: Ledger, ref: Ref) -> dict[str, Json]:
    """What validation found: by source the rows, those set aside, and the expectations that were not met."""
    try:
        value = ledger.resolve(ref).value
    except (SlipstreamError, FileNotFoundError):
        return {"state": "missing", "digest": ref.digest}
    sources = {
        name: {
            "passed": each["passed"],
            "rows": each["rows"],
            "quarantined": each["quarantined"],
            "unmet": [_unmet(check) for check in each["checks"] if not check["success"]],
        }
        for name, each in value.get("sources", {}).items()
    }
    return {"passed": value.get("passed"), "digest": ref.digest, "sources": sources}


def _unmet(check: Mapping[str, Any]) -> dict[str, Json]:
    return {name: check[name] for name in ("expectation", "column", "on_failure", "unexpected", "percent") if name in check}


def features(ledger: Ledger, record: VersionRecord, spec: ModelSpec, owner: Owner) -> dict[str, Json]:
    """The inputs that the version's signature names, and whose each view is: the model's, or a feature set's."""
    signature = read_signature(ledger, ledger.resolve(record.entry.lineage.train))
    pinned: Mapping[str, str] = signature.get("views") or {}
    views = [
        {
            "view": view.name,
            "of": view.set or spec.name,
            "owner": owner(view.set) if view.set else spec.owner,
            "version": pinned.get(view.name, ""),
            "keys": list(view.keys),
            "features": [f"{each.name} ({each.dtype})" for each in view.features],
            "description": view.description,
        }
        for view in spec.features.views
    ]
    return {"inputs": signature.get("inputs", []), "schema": record.entry.lineage.schema, "views": views}


def code(ledger: Ledger, control: ControlStore, record: VersionRecord) -> dict[str, Json]:
    """Commits as they were at registration, and the digest of each step's code."""
    with control.transaction() as connection:
        acts = acts_in(connection, record.entry.model, ("register",))
    mine = next((act.detail for act in acts if act.detail.get("version") == record.version), {})
    steps = [{"step": request.step, "function": request.function, "code": request.code} for request, _ in _steps(ledger, record)]
    return {
        "commit": record.entry.lineage.commit,
        "platform_commit": mine.get("platform_commit", ""),
        "digest": record.entry.lineage.code,
        "steps": steps,
    }


def environment() -> dict[str, Json]:
    """The locks of the working tree that made the dossier. What a training really imported is vouched for by no digest of ours:
    whoever installs by the lock of the platform's commit has the same packages, by their hashes."""
    paths = sorted({path for pattern in LOCKS for path in PROJECT.glob(pattern)})
    locks = [{"path": path.relative_to(PROJECT).as_posix(), "digest": digest_bytes(path.read_bytes())} for path in paths]
    packages = sorted(_pinned(paths[0].read_text())) if paths else []
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "read_at_commit": commit_of(PROJECT),
        "locks": locks,
        "packages": packages,
    }


def _pinned(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        if words and "==" in words[0] and not words[0].startswith(("#", "-")):
            yield words[0]


def training(ledger: Ledger, control: ControlStore, record: VersionRecord) -> dict[str, Json]:
    """What it was fitted with, on which machines, in which attempts, and who started it; None where nobody wrote that down."""
    with control.transaction() as connection:
        trainer = trainer_in(connection, record.entry.model, record.version)
    result = ledger.resolve(record.entry.lineage.train)
    asked = ledger.request(result.key)
    tried: list[dict[str, Json]] = [
        {"name": f"attempt {each.number}", "at": each.opened.isoformat(), "machine": dict(each.machine), "reason": each.reason}
        for each in ledger.tried(result.key, result.generation)
    ]
    kept = {name: value for name, value in result.value.items() if name not in ("history", "predictions")}
    return {
        "as_of": record.entry.as_of,
        "parameters": recipe(asked),
        "triggered_by": NO_PERSON if trainer == "" else trainer,
        "run_type": record.entry.run_type or "scheduled, or by hand",
        "run_id": record.run_id,
        "origin": record.entry.origin,
        "seconds": result.seconds,
        "cpu_seconds": result.cpu_seconds,
        "committed_at": result.committed_at,
        "attempts": tried,
        "result": kept,
    }


def _steps(ledger: Ledger, record: VersionRecord) -> Iterator[tuple[Request, Result]]:
    lineage = record.entry.lineage
    for ref in (lineage.training_set, lineage.train, lineage.evaluation):
        result = ledger.resolve(ref)
        yield ledger.request(result.key), result
