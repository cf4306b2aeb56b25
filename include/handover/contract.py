"""The contract of an imported model with serving: the inputs of the spec, and which text its codes of a category stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.nearest import did_you_mean
from include.core.request import Json, Ref
from include.core.scratch import scratch_folder
from include.core.spec import ModelSpec
from include.model_contract.definition import definitions
from include.model_contract.encoder import Encoder, Form, Input
from include.problems.of import params_of, signature_of
from include.request_features.definition import signature_part

Categories = Mapping[str, Sequence[str]]
SAFE = "nothing was registered."


def contract(
    ledger: Ledger, spec: ModelSpec, categories: Categories, training_set: Ref | None, form: Form | None = None
) -> dict[str, Json]:
    """`signature.json` of a model that takes the spec's inputs, at the present definitions of its views.

    :param categories: by feature the values that its codes stand for, 1 the first; a feature that is not named gets the
        vocabulary of the training set
    :param form: in which the model takes its inputs, where it says so itself; by default as `training.inputs` says
    Raises DataError for a vocabulary of no category feature, or with a value twice.
    """
    _check(spec, categories)
    learnt = _learnt(ledger, spec, training_set) if training_set is not None else {}
    inputs = [
        Input(each.name, each.dtype, each.default, tuple(categories.get(each.name, learnt.get(each.name, ()))))
        if each.dtype == "category"
        else Input(each.name, each.dtype, each.default)
        for each in spec.features.inputs
    ]
    made = definitions(spec.features) if spec.features.views else {}
    views = {name: each.view.version for name, each in made.items()}
    if training_set is not None:
        _check_views(ledger, spec, training_set, views)
    pins = {"views": views, "definitions": {name: each.to_json() for name, each in made.items()}}
    columns = spec.training.inputs == "columns" or any(each.dtype == "text" for each in inputs)
    given: Form = form or ("columns" if columns else "tensor")
    computed = signature_part(spec.features)
    return {**Encoder(tuple(inputs), spec.label, given).to_json(), **signature_of(params_of(spec)), **pins, **computed}


def _check(spec: ModelSpec, categories: Categories) -> None:
    known = [each.name for each in spec.features.inputs if each.dtype == "category"]
    for name, values in categories.items():
        if name not in known:
            raise DataError(
                f"{name!r} is no category of {spec.name}.", seen=name, safe=SAFE, hint=did_you_mean(name, known, "categories")
            )
        wrong = [value for value in values if not isinstance(value, str)]
        if wrong or isinstance(values, str) or len(set(values)) < len(values) or not values:
            raise DataError(
                f"The values of the category {name!r} must be a list of different texts.",
                seen=wrong or values, safe=SAFE, hint="give them in the order of the codes that the model was trained on.",
            )  # fmt: skip


def _learnt(ledger: Ledger, spec: ModelSpec, training_set: Ref) -> dict[str, tuple[str, ...]]:
    """The vocabulary of each category among the rows that are not held out."""
    with scratch_folder() as folder:
        table = pq.read_table(ledger.fetch(ledger.resolve(training_set), "train.parquet", folder))
        return {each.name: each.categories for each in Encoder.fit(table, spec.features.inputs).inputs}


def _check_views(ledger: Ledger, spec: ModelSpec, training_set: Ref, present: Mapping[str, str]) -> None:
    made: Mapping[str, Any] = ledger.resolve(training_set).value.get("views", {})
    other = {name: version for name, version in made.items() if present.get(name) != version}
    if other:
        raise DataError(
            f"The training set was built of other versions of the views of {spec.name} than the present ones: {sorted(other)}.",
            seen=other,
            safe=SAFE,
            hint="backfill the features DAG over its days, then register again.",
        )


def check_names(spec: ModelSpec, given: Sequence[str], uri: str) -> None:
    """Raises DataError where a file names its inputs, and they are not the spec's in their order."""
    wanted = tuple(each.name for each in spec.features.inputs)
    if given and tuple(given) != wanted:
        raise DataError(
            f"The signature of {uri} does not fit the spec of {spec.name}. Expected, in this order: {', '.join(wanted)}.",
            seen=list(given),
            safe=SAFE,
            hint="register a model of these inputs, or change features.views and features.request of the spec.",
        )
