"""A fitted scikit-learn estimator as ONNX, by what it was fitted on: a matrix of encoded features, or a frame with columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.backends.sklearn.export import OPSET, WORKS, export_classifier
from include.core.author import describe
from include.core.errors import DataError

SAFE = "nothing was registered."


def export_estimator(model: Any, inputs: Sequence[str], path: Path) -> None:
    """Write a fitted binary classifier. `inputs`: the names of the spec's, in their order.

    One that parts columns by name (a ColumnTransformer, alone or first in a pipeline) takes columns in its file, text where an
    encoder of categories reads them. Raises DataError for one that takes other inputs, or that cannot be converted.
    """
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    count = int(getattr(model, "n_features_in_", len(inputs)))
    if count != len(inputs) or (names and not _fits(model, names, inputs)):
        raise DataError(
            f"{type(model).__name__} does not take the inputs of the spec. Expected, in this order: {', '.join(inputs)}.",
            seen=names or f"{count} columns without names",
            safe=SAFE,
            hint="fit it on the columns of the spec, in its order.",
        )
    if _transformer(model) is None or not names:
        export_classifier(model, len(inputs), path)
    else:
        path.write_bytes(_by_columns(model, names))


def _fits(model: Any, names: Sequence[str], inputs: Sequence[str]) -> bool:
    """Columns that are found by name may stand in any order; those of a matrix may not."""
    return list(names) == list(inputs) or (_transformer(model) is not None and sorted(names) == sorted(inputs))


def _transformer(model: Any) -> Any | None:
    """The part that parts columns, if there is one and it comes first."""
    first = model.steps[0][1] if hasattr(model, "steps") else model
    return first if hasattr(first, "transformers_") else None


def _by_columns(model: Any, names: Sequence[str]) -> bytes:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    texts = set(_texts(_transformer(model)))
    types = [(name, (StringTensorType if name in texts else FloatTensorType)([None, 1])) for name in names]
    final = model.steps[-1][1] if hasattr(model, "steps") else model
    try:
        converted = to_onnx(model, initial_types=types, options={id(final): {"zipmap": False}}, target_opset=OPSET)
    except Exception as error:  # noqa: BLE001 - converters raise what they like
        raise DataError(
            f"{type(final).__name__} with its columns cannot be exported to ONNX: {describe(error)}.",
            safe=SAFE,
            hint=f"use one of {', '.join(WORKS)}, or export by other means.",
        ) from None
    written: bytes = converted.SerializeToString()
    return written


def _texts(transformer: Any) -> list[str]:
    """Columns whose encoder has learnt text."""
    found = []
    for _, fitted, columns in transformer.transformers_:
        last = fitted.steps[0][1] if hasattr(fitted, "steps") else fitted
        kinds = getattr(last, "categories_", None)
        if kinds is not None:
            found += [name for name, values in zip(columns, kinds, strict=True) if values.dtype.kind in "OUS"]
    return found
