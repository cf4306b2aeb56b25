"""Explanations as tensors of the Open Inference Protocol, beside what a version gives to each row.

explanation.contributions   FP64 [n, features]   what each feature added; `parameters.features` names them, parted by commas
explanation.base            FP64 [n]             the background's mean answer: base and contributions add up to the answer
explanation.of              BYTES [n]            the output that they are about: the class, the value, the score
explanation.missing         BYTES [n]            empty; or why the row is not explained, its numbers unknown then

They come where `parameters.explain` is true, or an output is asked for by these names; never by themselves.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import Any

import numpy as np

from include.core.spec import Explain
from include.explanations.shapley import method_of
from include.metrics.arrays import Floats
from include.model_contract.batch import Encoded
from include.serving.http.request_error import RequestError
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.explaining import WHY, Explaining, Unexplained, never
from include.serving.prediction.explanation_names import BASE, CONTRIBUTIONS, MISSING, OF, OUTPUTS
from include.serving.prediction.request_types import EXPLAIN, UNEXPLAINED
from include.serving.prediction.tensor import InferRequest, Values, truth

NAMES = frozenset(OUTPUTS)
AT_ONCE = 100  # rows between which the event loop goes on


def wished(request: InferRequest, *, explains: bool) -> bool:
    """Whether `parameters.explain` asks for explanations. Raises RequestError where it does, of a model that gives none."""
    said = (request.parameters or {}).get(EXPLAIN)
    if said in (None, False):
        return False
    if not explains:
        raise RequestError(
            400, "Answers of this model are not explained.", field=f"parameters.{EXPLAIN}", value=said, allowed=UNEXPLAINED
        )
    return bool(truth(request.parameters, EXPLAIN))


def added(request: InferRequest, asked: dict[str, bool]) -> dict[str, bool]:
    """The outputs that are asked for, and those of the explanations, unless some of these are named."""
    if not NAMES.isdisjoint(asked):
        return asked
    return {**asked, **dict.fromkeys(OUTPUTS, bool(truth(request.parameters, "binary_data_output")))}


def described(asked: Explain | None, model: LoadedModel) -> dict[str, Any]:
    """What the metadata's `parameters` say of explanations; nothing where nobody may ask for them."""
    if asked is None:
        return {}
    if why := never(model):
        return {"explanations": {"missing": why, "why": WHY[why]}}
    shapes: dict[str, list[int]] = {CONTRIBUTIONS: [-1, len(model.encoder.inputs)], BASE: [-1], OF: [-1], MISSING: [-1]}
    kinds = dict.fromkeys((CONTRIBUTIONS, BASE), "FP64")
    outputs = [{"name": name, "datatype": kinds.get(name, "BYTES"), "shape": shape} for name, shape in shapes.items()]
    features = [each.name for each in model.encoder.inputs]
    return {"explanations": {"parameter": EXPLAIN, "outputs": outputs, "features": features, "method": _method(asked, model)}}


def about(asked: Explain | None, model: LoadedModel) -> dict[str, dict[str, Any]]:
    """The parameters of the outputs. The protocol has no lists there, so names are one text."""
    assert asked is not None
    features = ",".join(each.name for each in model.encoder.inputs)
    return {CONTRIBUTIONS: {"features": features, "method": _method(asked, model)}}


async def explained(explaining: Explaining, model: LoadedModel, rows: Encoded) -> dict[str, Values]:
    """The tensors of these rows. Rows that are not explained within the bounds of the model say why."""
    until = asyncio.get_running_loop().time() + explaining.seconds
    count, width = len(rows), len(model.encoder.inputs)
    contributions: Floats = np.full((count, width), math.nan)
    base: Floats = np.full(count, math.nan)
    of, missing = np.full(count, "", dtype=object), np.full(count, "", dtype=object)
    for place in range(count):
        if not place % AT_ONCE:
            await asyncio.sleep(0)  # rows that are refused at once would keep everybody else waiting
        try:
            shares = await explaining.shares(model, partial(rows.__getitem__, slice(place, place + 1)), until)
        except Unexplained as error:
            missing[place] = error.why
            continue
        output, of[place] = explaining.output_of(shares)
        contributions[place], base[place] = shares.values[:, output], shares.base[output]
    return {CONTRIBUTIONS: contributions, BASE: base, OF: of, MISSING: missing}


def _method(asked: Explain, model: LoadedModel) -> str:
    return method_of(len(model.encoder.inputs), asked.coalitions)
