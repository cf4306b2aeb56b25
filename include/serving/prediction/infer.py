"""Open Inference Protocol v2: a loaded version by its number, on encoded rows or on named columns.

`features` FP32 [n, inputs] is the model's own tensor, already encoded (a category is its code, a vector takes as many places
as it has numbers); a model that takes columns has none. Named columns carry raw values, one tensor an input: BOOL, BYTES for a
text, FP32 [n, k] for a vector. In both, null (in JSON) and NaN (in JSON or binary) say that a value is
unknown, and it becomes what training made of it: the input's default, else NaN. What comes back is in
include/serving/prediction/outputs.py, and what explains it in include/serving/prediction/explained_tensors.py. These calls
test and embed a version: they follow no weights and are not in the prediction log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.spec import Feature
from include.core.spec.dtypes import Kind, kind_of, length_of
from include.model_contract.batch import Encoded, Floats
from include.serving.http.asgi import DIGITS, HttpRequest
from include.serving.http.request_error import RequestError
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel, ModelError, Unanswered
from include.serving.prediction import explained_tensors
from include.serving.prediction.explanation_names import OUTPUTS
from include.serving.prediction.micro_batch import Batches
from include.serving.prediction.outputs import described, names, ports, tensors
from include.serving.prediction.remote_batches import RemoteBatches
from include.serving.prediction.request_types import check_texts
from include.serving.prediction.tensor import (
    BYTES,
    Answered,
    InferRequest,
    Tensor,
    Values,
    asked_outputs,
    decode_request,
    encode_response,
)

NUMBERS = "finite float32 numbers; null or NaN is unknown"
OIP_TYPES: dict[Kind, str] = {
    "float": "FP64", "int": "INT64", "bool": "BOOL", "category": BYTES, "text": BYTES, "vector": "FP32",
}  # fmt: skip


def metadata(deployment: Deployment, version: int) -> dict[str, Any]:
    """GET /v2/models/{model}[/versions/{version}]. `parameters.columns`: the inputs by name, which may be sent instead."""
    spec, model = deployment.spec, deployment.models[version]
    inputs = model.inputs or spec.features.inputs
    columns = [{"name": f.name, "dtype": f.dtype, "datatype": OIP_TYPES[kind_of(f.dtype)]} for f in inputs]
    return {
        "name": spec.name,
        "versions": [str(known) for known in sorted(deployment.models)],
        "platform": "onnxruntime_onnx" if model.remote is None else model.remote.platform,
        "inputs": _tensors(model, inputs),
        "outputs": ports(model.answers),
        "parameters": {
            "version": version,
            "digest": model.digest,
            "columns": columns,
            **described(model.answers),
            **explained_tensors.described(spec.serving.explain, model),
        },
    }


def _tensors(model: LoadedModel, inputs: tuple[Feature, ...]) -> list[dict[str, Any]]:
    """What the model itself takes: one tensor of all inputs, or each as a column of its own."""
    if model.encoder.form == "tensor":
        return [{"name": "features", "datatype": "FP32", "shape": [-1, model.width]}]
    shapes = {each.name: [-1, length] if (length := length_of(each.dtype)) else [-1] for each in inputs}
    return [{"name": f.name, "datatype": OIP_TYPES[kind_of(f.dtype)], "shape": shapes[f.name]} for f in inputs]


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


@dataclass(frozen=True)
class Inferred:
    """What a version said, before it is written as an answer. `asked`: of each output, whether as raw bytes."""

    deployment: Deployment
    version: int
    request: InferRequest
    rows: Encoded
    scores: Floats
    asked: Mapping[str, bool]
    latency_us: float

    @property
    def model(self) -> LoadedModel:
        return self.deployment.models[self.version]

    @property
    def explains(self) -> bool:
        """Whether the caller waits for explanations as well."""
        return not explained_tensors.NAMES.isdisjoint(self.asked)

    def answer(self, explained: Mapping[str, Values] | None = None) -> Answered:
        """`explained`: the tensors of the explanations, where there are any."""
        values: dict[str, Any] = {
            "model_name": self.deployment.spec.name,
            "model_version": str(self.version),
            "parameters": {"latency_us": self.latency_us},
        }
        if self.request.id:
            values["id"] = self.request.id
        given: dict[str, Values] = {**tensors(self.model.answers, self.scores)}
        if not explained:
            return encode_response(values, given, self.asked)
        about = explained_tensors.about(self.deployment.spec.serving.explain, self.model)
        return encode_response(values, {**given, **explained}, self.asked, about)


def infer(deployment: Deployment, version: int, body: bytes, header_length: int | None) -> Inferred:
    """Raises RequestError."""
    request, rows, started = _decoded(deployment, version, body, header_length)
    try:
        scores = deployment.models[version].score_rows(rows)
    except ModelError as error:
        raise _unscorable(error) from None
    return _inferred(deployment, version, request, rows, scores, started)


async def infer_batched(
    batches: Batches | RemoteBatches, deployment: Deployment, version: int, body: bytes, header_length: int | None
) -> Inferred:
    """The same, in one run with what else arrives in this iteration of the event loop. Raises RequestError."""
    request, rows, started = _decoded(deployment, version, body, header_length)
    try:
        scores = await batches.score(deployment.models[version], rows)
    except ModelError as error:
        raise _unscorable(error) from None
    return _inferred(deployment, version, request, rows, scores, started)


def _decoded(deployment: Deployment, version: int, body: bytes, header_length: int | None) -> tuple[InferRequest, Encoded, int]:
    """The request, its rows as the model takes them, and when their encoding began (ns). Raises RequestError."""
    request = decode_request(body, header_length)
    _check_inputs(request, deployment.spec.serving.max_rows)
    started, model = perf_counter_ns(), deployment.models[version]
    return request, _rows(request, model, model.inputs or deployment.spec.features.inputs), started


def _unscorable(error: ModelError) -> RequestError:
    if isinstance(error, Unanswered):
        return RequestError(503, f"This version does not answer now: {error.what}.", field="version", retry_after=1)
    return RequestError(422, f"This version cannot score these rows: {error.what}.", field="inputs")


def _inferred(
    deployment: Deployment, version: int, request: InferRequest, rows: Encoded, scores: Floats, started: int
) -> Inferred:
    latency_us = (perf_counter_ns() - started) / 1000
    explains = deployment.spec.serving.explain is not None
    more = OUTPUTS if explains else ()
    asked = asked_outputs(request, names(deployment.models[version].answers), more)
    if explained_tensors.wished(request, explains=explains):
        asked = explained_tensors.added(request, asked)
    return Inferred(deployment, version, request, rows, scores, asked, latency_us)


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


def _rows(request: InferRequest, model: LoadedModel, inputs: tuple[Feature, ...]) -> Encoded:
    if [tensor.name for tensor in request.inputs] == ["features"] and model.encoder.form == "tensor":
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


def _from_columns(columns: dict[str, Tensor], model: LoadedModel, inputs: tuple[Feature, ...]) -> Encoded:
    names = [feature.name for feature in inputs]
    missing, unknown = [n for n in names if n not in columns], [n for n in columns if n not in names]
    if missing or unknown:
        what = f"Inputs are missing: {missing}." if missing else f"Unknown inputs: {unknown}."
        whole = ["features"] if model.encoder.form == "tensor" else []
        raise RequestError(400, what, field="inputs", value=(missing or unknown), allowed=[*whole, *names])
    count = _rows_of(columns, inputs)
    values = {feature.name: _column(columns[feature.name], feature) for feature in inputs}
    rows = [{name: values[name][at] for name in names} for at in range(count)]
    if model.encoder.form == "columns" or any(length_of(feature.dtype) for feature in inputs):
        return model.encoder.encode_rows(rows)
    return np.asarray([model.encoder.encode_row(row) for row in rows], dtype=np.float32)


def _rows_of(columns: dict[str, Tensor], inputs: tuple[Feature, ...]) -> int:
    """How many rows the columns have, all the same. Raises RequestError."""
    vectors = {feature.name: length for feature in inputs if (length := length_of(feature.dtype))}
    for name, length in vectors.items():
        shape = columns[name].shape
        if len(shape) != 2 or shape[1] != length or not shape[0]:
            raise RequestError(400, "Wrong shape.", field=f"{name}.shape", value=shape, allowed=["n", length])
    sizes = {tuple(tensor.shape) for name, tensor in columns.items() if name not in vectors}
    if len(sizes) > 1 or any(len(s) not in (1, 2) or not s[0] or (len(s) == 2 and s[1] != 1) for s in sizes):
        raise RequestError(400, "Columns must have one shape, [n] or [n, 1].", field="inputs", allowed="[n] or [n, 1]")
    counts = {shape[0] for shape in sizes} | {columns[name].shape[0] for name in vectors}
    if len(counts) != 1:
        raise RequestError(400, "Columns must have the same number of rows.", field="inputs", value=sorted(counts))
    return counts.pop()


def _column(tensor: Tensor, feature: Feature) -> list[Any]:
    """Raw values of one input, null where unknown."""
    kind = kind_of(feature.dtype)
    values = tensor.data.tolist() if isinstance(tensor.data, np.ndarray) else tensor.data
    if not _fits(tensor.datatype, kind):
        allowed = OIP_TYPES[kind]
        raise RequestError(400, "Wrong datatype.", field=f"{tensor.name}.datatype", value=tensor.datatype, allowed=allowed)
    if kind in ("category", "text"):
        _check_texts(values, tensor.name, kind)
    elif kind == "vector":
        return _vectors(values, tensor.name, length_of(feature.dtype))
    elif kind == "bool" and tensor.datatype == "BOOL":
        wrong = [value for value in values if value is not None and not isinstance(value, bool)]
        if wrong:
            raise RequestError(400, "Not a truth.", field=tensor.name, value=wrong[0], allowed="true, false, or null")
    else:
        _numbers(values, tensor.name)
    return list(values)


def _fits(datatype: str, kind: Kind) -> bool:
    if kind in ("category", "text") or datatype == BYTES:
        return kind in ("category", "text") and datatype == BYTES
    if kind == "bool":
        return datatype == "BOOL"
    return kind != "vector" or datatype in ("FP32", "FP64", "FP16")


def _check_texts(values: list[Any], field: str, kind: Kind) -> None:
    wrong = [value for value in values if not isinstance(value, str | None)]
    if wrong:
        raise RequestError(400, "Not a text.", field=field, value=wrong[0], allowed="text, or null")
    if kind == "text":
        for place, value in enumerate(values):
            check_texts(value, f"{field}[{place}]")


def _vectors(values: Any, field: str, length: int) -> list[Any]:
    """A list of numbers a row, None where all of them are unknown. Raises RequestError where only some are."""
    rows = _numbers(values, field).reshape(-1, length)
    unknown = np.isnan(rows)
    some = unknown.any(axis=1) & ~unknown.all(axis=1)
    if some.any():
        raise RequestError(
            400, "A vector is known as a whole, or not at all.", field=f"{field}[{int(some.argmax())}]",
            allowed=f"{length} finite numbers, or as many nulls",
        )  # fmt: skip
    nothing = [bool(row.all()) for row in unknown]
    return [None if gone else row for row, gone in zip(rows.tolist(), nothing, strict=True)]


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


def header_length_of(call: HttpRequest) -> int | None:
    """The length of the JSON before binary tensors. Raises RequestError."""
    text: Any = call.header(b"inference-header-content-length")
    if text is not None and not (text.isdecimal() and text.isascii() and len(text) <= DIGITS):
        raise RequestError(
            400, "Not a length.", field="Inference-Header-Content-Length", value=text, allowed="bytes of the JSON part"
        )
    return int(text) if text is not None else None
