"""A version that was trained elsewhere: what is known of it, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from include.core.digest import digest_json
from include.core.ledger import Ledger
from include.core.request import Json, Ref
from include.core.spec import ModelSpec
from include.governance.package import Facts, Package, read_signature
from include.governance.registration import measured
from include.step_values.imported import ImportValue
from include.versions.origin import IMPORTED
from include.versions.record import MEASURED_BEFORE, Entry, Gate, Lineage, VersionRecord
from include.versions.trainer import TRAINED_BY

CODE = "trained elsewhere"  # what stands for the code and the parameters of a training that nobody here has seen


@dataclass(frozen=True)
class Statement:
    """What the person who registers a model says of it. `trained_until`: its newest training row; None where that is unknown."""

    by: str
    uri: str
    trained_until: datetime | None = None


@dataclass(frozen=True)
class Holdout:
    """The rows that an evaluation was made on: the training set they are of, and when the first of them was asked."""

    training_set: Ref
    start: datetime


def propose_imported(
    ledger: Ledger,
    spec: ModelSpec,
    imported: Ref,
    evaluation: Ref,
    statement: Statement,
    *,
    holdout: Holdout | None,
    run_type: str = "",
    commit: str = "",
) -> Package:
    """The version of an `import` result. It stands for the training set too: the same model is the same version, whatever it
    is evaluated on. `holdout`: the rows of the evaluation; None where it had none."""
    made, judged = ledger.resolve(imported), ledger.resolve(evaluation)
    value, signature = made.read(ImportValue), read_signature(ledger, made)
    lineage = Lineage(
        imported, imported, evaluation,
        schema=signature.get("schema") or digest_json(signature["inputs"]),
        code=digest_json(CODE),
        params=digest_json({}),
        commit=commit,
    )  # fmt: skip
    as_of = statement.trained_until.isoformat() if statement.trained_until else value["as_of"]
    gate = _gate(Gate.from_json(judged.value["gate"]), statement.trained_until, holdout)
    threshold = float(judged.value.get("threshold", MEASURED_BEFORE))
    entry = Entry(spec.name, as_of, lineage, gate, measured(judged), IMPORTED, run_type, threshold)
    params = {"format": value["source"]["format"], "trained_until": str(statement.trained_until or "unknown")}
    return Package(entry, Facts(spec, made, made, judged, signature, params, ""), ledger, _said(statement, value))


def _said(statement: Statement, value: ImportValue) -> dict[str, Json]:
    """For the audit chain: who brought which bytes from where, and what they say of them."""
    until = statement.trained_until.isoformat() if statement.trained_until else None
    who = statement.by.partition(" (")[0]  # as the command line names itself: "ann (slipstream command)"
    return {
        "by": statement.by,
        TRAINED_BY: who,
        "uri": statement.uri,
        "source": value["source"]["digest"],
        "trained_until": until,
    }


def _gate(gate: Gate, trained_until: datetime | None, holdout: Holdout | None) -> Gate:
    """Closed as well where the holdout may hold rows that the model was trained on: its metrics there show nothing."""
    reasons = [*gate.reasons]
    if holdout is not None and trained_until is None:
        reasons.append(
            "nobody has said until when the rows go that it was trained on, so the holdout may be among them: register it again "
            "with trained_until (--trained-until)"
        )
    elif holdout is not None and trained_until is not None and trained_until > holdout.start:
        reasons.append(
            f"it was trained on rows until {trained_until}, and the holdout begins at {holdout.start}: it has seen the answers"
        )
    return Gate(not reasons, tuple(reasons))


def is_imported(record: VersionRecord) -> bool:
    """Whether the version was trained elsewhere."""
    return record.entry.origin == IMPORTED


def rows_of(ledger: Ledger, record: VersionRecord) -> Ref | None:
    """The training set whose rows a version is watched against: what it was trained on, or of an imported one what it was
    evaluated on. None where there is none."""
    if not is_imported(record):
        return record.entry.lineage.training_set
    evaluation = ledger.request(ledger.resolve(record.entry.lineage.evaluation).key)
    return evaluation.inputs.get("training_set")


def described(record: VersionRecord, value: Mapping[str, Json]) -> str:
    """Where an imported version came from, in a line; empty of any other."""
    source = value.get("source")
    if not is_imported(record) or not isinstance(source, Mapping):
        return ""
    return f"{source['uri']}, by {source['by']}"
