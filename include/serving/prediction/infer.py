"""Open Inference Protocol v2: a loaded version by its number, on encoded rows or on named columns.

`features` FP32 [n, inputs] is the model's own tensor, already encoded (a category is its code), where it takes one. Named
columns carry raw values, one tensor an input: [n], of a vector [n, its length]. In both, null (in JSON) and NaN (in JSON or
binary) say that a value is unknown, and it becomes what training made of it: the input's default, else NaN. What comes back is
in include/serving/prediction/outputs.py. These calls test and embed a version: they follow no weights and are not in the
prediction log.
"""

from __future__ import annotations

import re
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError
from include.core.spec import Feature
from include.core.spec.dtypes import TEXT_BYTES, is_text, kind_of, length_of
from include.model_contract.batch import Encoded as Rows
from include.model_contract.batch import Floats
from include.serving.http.request_error import RequestError
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel, ModelError
from include.serving.prediction.micro_batch import Batches
from include.serving.prediction.outputs import described, names, ports, tensors
from include.serving.prediction.tensor import (
    BYTES,
    Encoded,
    InferRequest,
    Tensor,
    asked_outputs,
    decode_request,
    encode_response,
)

NUMBERS = "finite float32 numbers; null or NaN is unknown"
OIP_TYPES = {"float": "FP64", "int": "INT64", "category": BYTES, "bool": "BOOL", "text": BYTES, "vector": "FP32"}


def metadata(deployment: Deployment, version: int) -> dict[str, Any]:
    """GET /v2/models/{model}[/versions/{version}]. `parameters.columns`: the inputs by name, which may be sent instead."""
    spec, model = deployment.spec, deployment.models[version]
    inputs = model.inputs or spec.features.inputs
    columns = [{"name": f.name, "dtype": f.dtype, "datatype": OIP_TYPES[kind_of(f.dtype)]} for f in inputs]
    return {
        "name": spec.name,
        "versions": [str(known) for known in sorted(deployment.models)],
        "platform": "onnxruntime_onnx",
        "inputs": _taken(model, inputs),
        "outputs": ports(model.answers),
        "parameters": {"version": version, "digest": model.digest, "columns": columns, **described(model.answers)},
    }


def _taken(model: LoadedModel, inputs: tuple[Feature, ...]) -> list[dict[str, Any]]:
    """What the model itself takes: one tensor, or columns."""
    if model.encoder.form == "tensor":
        return [{"name": "features", "datatype": "FP32", "shape": [-1, model.width or len(inputs)]}]
    return [{"name": f.name, "datatype": OIP_TYPES[kind_of(f.dtype)], "shape": [-1, *_inner(f)]} for f in inputs]


def _inner(feature: Feature) -> list[int]:
    """The shape of one value: none but of a vector."""
    length = length_of(feature.dtype)
    return [length] if length else []


def find_version(deployment: Deployment, text: str | None) -> int:
    """The version a path names; without one the champion, or the first rollout's challenger. Raises RequestError (404)."""
    route = deployment.route
    default = route.champion if route.champion is not None else route.challenger
    named = int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None
    version = default if text is None else named
    if version is None or version not in deployment.models:
        known = [str(number) for number in sorted(deployment.models)]
        raise RequestError(404, f"{deployment.spec.name} has no such version loaded.", field="version", value=text, allowed=known)
    return version


def infer(deployment: Deployment, version: int, body: bytes, header_length: int | None) -> Encoded:
    """Raises RequestError."""
    request, rows, started = _decoded(deployment, version, body, header_length)
    try:
        scores = deployment.models[version].score_rows(rows)
    except ModelError as error:
        raise _unscorable(error) from None
    return _encoded_answer(deployment, version, request, scores, started)


async def infer_batched(
    batches: Batches, deployment: Deployment, version: int, body: bytes, header_length: int | None
) -> Encoded:
    """The same, in one run with what else arrives in this iteration of the event loop. Raises RequestError."""
    request, rows, started = _decoded(deployment, version, body, header_length)
    try:
        scores = await batches.score(deployment.models[version], rows)
    except ModelError as error:
        raise _unscorable(error) from None
    return _encoded_answer(deployment, version, request, scores, started)


def _decoded(deployment: Deployment, version: int, body: bytes, header_length: int | None) -> tuple[InferRequest, Rows, int]:
    """The request, its rows as the model takes them, and when their encoding began (ns). Raises RequestError."""
    request = decode_request(body, header_length)
    _check_inputs(request, deployment.spec.serving.max_rows)
    started, model = perf_counter_ns(), deployment.models[version]
    return request, _rows(request, model, model.inputs or deployment.spec.features.inputs), started


def _unscorable(error: ModelError) -> RequestError:
    return RequestError(422, f"This version cannot score these rows: {error.what}.", field="inputs")


def _encoded_answer(deployment: Deployment, version: int, request: InferRequest, scores: Floats, started: int) -> Encoded:
    values: dict[str, Any] = {
        "model_name": deployment.spec.name,
        "model_version": str(version),
        "parameters": {"latency_us": (perf_counter_ns() - started) / 1000},
    }
    answers = deployment.models[version].answers
    asked = asked_outputs(request, names(answers))
    return encode_response({**values, "id": request.id} if request.id else values, tensors(answers, scores), asked)


def _check_inputs(request: InferRequest, max_rows: int) -> None:
    """Names once each, and no more rows than the model's limit."""
    names: set[str] = set()
    for tensor in request.inputs:
        if tensor.name in names:
            raise RequestError(400, "An input is sent twice.", field="inputs", value=tensor.name, allowed="each name once")
        names.add(tensor.name)
        if tensor.shape and tensor.shape[0] > max_rows:
            field = f"{tensor.name}.shape"
            raise RequestError(400, "Too many rows.", field=field, value=tensor.shape, allowed=f"at most {max_rows} rows")


def _rows(request: InferRequest, model: LoadedModel, inputs: tuple[Feature, ...]) -> Rows:
    if model.encoder.form == "tensor" and [tensor.name for tensor in request.inputs] == ["features"]:
        return _encoded(request.inputs[0], model)
    return _from_columns({tensor.name: tensor for tensor in request.inputs}, model, inputs)


def _encoded(tensor: Tensor, model: LoadedModel) -> Floats:
    width = model.width
    if len(tensor.shape) != 2 or tensor.shape[1] != width or not tensor.shape[0]:
        raise RequestError(400, "Wrong shape.", field="features.shape", value=tensor.shape, allowed=["n", width])
    if tensor.datatype not in ("FP32", "FP64", "FP16"):
        raise RequestError(400, "Wrong datatype.", field="features.datatype", value=tensor.datatype, allowed="FP32")
    rows = _numbers(tensor.data, "features").reshape(tensor.shape)
    unknown = np.isnan(rows)
    if unknown.any():
        rows = np.where(unknown, np.asarray(model.encoder.encode_row({}), dtype=np.float32), rows)
    return rows


def _from_columns(columns: dict[str, Tensor], model: LoadedModel, inputs: tuple[Feature, ...]) -> Rows:
    names = [feature.name for feature in inputs]
    own = ["features"] if model.encoder.form == "tensor" else []
    missing, unknown = [n for n in names if n not in columns], [n for n in columns if n not in names]
    if missing or unknown:
        what = f"Inputs are missing: {missing}." if missing else f"Unknown inputs: {unknown}."
        raise RequestError(400, what, field="inputs", value=(missing or unknown), allowed=[*own, *names])
    count = _count(columns, inputs)
    values = {feature.name: _column(columns[feature.name], feature) for feature in inputs}
    try:
        return model.encoder.encode_rows([{name: values[name][at] for name in names} for at in range(count)])
    except DataError as error:  # nothing that is known to be let through above
        raise RequestError(400, error.what, field="inputs", value=error.seen) from None


def _count(columns: dict[str, Tensor], inputs: tuple[Feature, ...]) -> int:
    """How many rows the columns have. Raises RequestError for columns of several lengths or of another shape."""
    scalars = {tuple(columns[feature.name].shape) for feature in inputs if not length_of(feature.dtype)}
    one_shape = len(scalars) <= 1 and all(len(shape) in (1, 2) and shape[1:] in ((), (1,)) for shape in scalars)
    rows = {shape[0] for shape in (tuple(tensor.shape) for tensor in columns.values()) if shape}
    if not one_shape or len(rows) != 1 or not min(rows):
        raise RequestError(400, "Columns must have one shape, [n] or [n, 1].", field="inputs", allowed="[n] or [n, 1]")
    count = rows.pop()
    for feature in inputs:
        wanted, seen = [count, *_inner(feature)], columns[feature.name].shape
        if length_of(feature.dtype) and seen != wanted:
            raise RequestError(400, "Wrong shape of a vector.", field=f"{feature.name}.shape", value=seen, allowed=wanted)
    return count


def _column(tensor: Tensor, feature: Feature) -> list[Any]:
    """Raw values of one input, null where unknown."""
    kind = kind_of(feature.dtype)
    text = is_text(feature.dtype)
    if text != (tensor.datatype == BYTES) or (kind == "bool") != (tensor.datatype == "BOOL"):
        raise RequestError(
            400, "Wrong datatype.", field=f"{tensor.name}.datatype", value=tensor.datatype, allowed=OIP_TYPES[kind]
        )
    if kind == "vector":
        return _vectors(tensor, feature)
    values = tensor.data.tolist() if isinstance(tensor.data, np.ndarray) else tensor.data
    if text:
        _check_texts(values, tensor.name, TEXT_BYTES if kind == "text" else None)
    elif kind == "bool":
        wrong = [value for value in values if not isinstance(value, bool | None)]
        if wrong:
            raise RequestError(400, "Not a truth.", field=tensor.name, value=wrong[0], allowed="true, false, or null")
    else:
        _numbers(values, tensor.name)
    return list(values)


def _check_texts(values: list[Any], field: str, most: int | None) -> None:
    """Raises RequestError for what is no text that UTF-8 can write, and for one of more bytes than `most`."""
    for value in values:
        if value is None:
            continue
        if not isinstance(value, str):
            raise RequestError(400, "Not a text.", field=field, value=value, allowed="text, or null")
        if most is not None and len(value) > most // 4 and len(value.encode("utf-8", "surrogatepass")) > most:
            raise RequestError(400, "The text is too long.", field=field, value=value[:100], allowed=f"at most {most} bytes")


def _vectors(tensor: Tensor, feature: Feature) -> list[Any]:
    """Each as an array, None where all of it is unknown. Raises RequestError for one that is known in part."""
    rows = _numbers(tensor.data, tensor.name).reshape(tensor.shape)
    unknown = np.isnan(rows)
    if (unknown.any(axis=1) & ~unknown.all(axis=1)).any():
        raise RequestError(400, "A vector is known as a whole, or not at all.", field=feature.name, allowed=NUMBERS)
    return [None if gone else row for row, gone in zip(rows, unknown.all(axis=1), strict=True)]


def _numbers(values: Any, field: str) -> NDArray[np.float32]:
    """The numbers as float32, NaN where unknown. Raises RequestError for text, infinity and what float32 cannot hold."""
    if not isinstance(values, np.ndarray):
        wrong = [v for v in values if v is not None and (not isinstance(v, int | float) or isinstance(v, bool))]
        if wrong:
            raise RequestError(400, "Not a number.", field=field, value=wrong[0], allowed=NUMBERS)
    try:
        with np.errstate(over="ignore"):
            numbers = np.asarray(values, dtype=np.float64).astype(np.float32)
    except OverflowError:  # a whole number beyond float64
        numbers = np.array([np.inf], dtype=np.float32)
    if np.isinf(numbers).any():
        raise RequestError(400, "Not a finite number.", field=field, allowed=NUMBERS)
    return numbers
