"""From the results of a training run to something that can be registered: `propose`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.digest import digest_json
from include.core.ledger import Ledger
from include.core.request import Ref, Request, Result
from include.core.spec import ModelSpec
from include.governance.package import Facts, Package, read_signature
from include.problems.gate_words import asked_of, reasons
from include.versions.record import MEASURED_BEFORE, Entry, Gate, Lineage, Origin

RECIPE = ("fit", "params", "seed", "window_days", "holdout_days")  # of spec.training: what shapes the weights


@dataclass(frozen=True)
class Inputs:
    """The three results that a version is made of."""

    train: Ref
    training_set: Ref
    evaluation: Ref


def propose(
    ledger: Ledger,
    spec: ModelSpec,
    inputs: Inputs,
    *,
    as_of: str,
    run_type: str = "",
    origin: Origin = "trained",
    commit: str = "",
    platform_commit: str = "",
) -> Package:
    """Read what the inputs say of themselves. `commit` is of the model's repository, `platform_commit` of the platform's.

    Raises DataError or IntegrityError if one is gone or changed."""
    train, evaluation = ledger.resolve(inputs.train), ledger.resolve(inputs.evaluation)
    made, data = ledger.request(train.key), ledger.request(ledger.resolve(inputs.training_set).key)
    signature, params = read_signature(ledger, train), recipe(made)
    lineage = Lineage(
        inputs.train, inputs.training_set, inputs.evaluation,
        schema=signature.get("schema") or digest_json(signature["inputs"]),
        code=digest_json([made.code, data.code, _feature_code(ledger, data)]),
        params=digest_json(params),
        commit=commit,
    )  # fmt: skip
    threshold = float(evaluation.value.get("threshold", MEASURED_BEFORE))
    asked = asked_of(ledger.request(evaluation.key).params, spec.evaluation)
    gate = Gate(bool(evaluation.value["gate"]["passed"]), reasons(evaluation.value, asked))
    entry = Entry(spec.name, as_of, lineage, gate, measured(evaluation), origin, run_type, threshold)
    partitions = digest_json(sorted((name, ref.digest) for name, ref in data.inputs.items()))
    facts = Facts(spec, train, ledger.resolve(inputs.training_set), evaluation, signature, params, partitions, platform_commit)
    return Package(entry, facts, ledger)


def recipe(made: Request) -> dict[str, Any]:
    """The parameters of a `train` request that shape the model; all of them where it has no such section."""
    section = made.params.get("training")
    if not isinstance(section, Mapping):
        return dict(made.params)
    return {name: section[name] for name in RECIPE if name in section}


def _feature_code(ledger: Ledger, data: Request) -> str:
    """Code digest of the feature definitions behind the newest partition."""
    if not data.inputs:
        return ""
    newest = data.inputs[max(data.inputs)]
    return ledger.request(ledger.resolve(newest).key).code


def measured(evaluation: Result) -> dict[str, float]:
    """The numbers of the evaluation, finite and flat."""
    found = evaluation.value.get("metrics", {})
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
