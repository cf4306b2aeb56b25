"""A prediction without the gateway: the champion from the ledger, the features from the online store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import msgspec

from include.cli.context import CliContext
from include.core.errors import DataError, UnreachableError
from include.core.request import Json
from include.core.spec import ModelSpec, View
from include.core.time import parse_time, utc_now
from include.features.online.presence import empty_views, published_rows
from include.prediction_log.record import PREDICTION, Record
from include.routing.route import read_route
from include.serving.models.answers import plain_answers
from include.serving.models.loaded_model import load_model
from include.serving.prediction.lost_views import FLAG


def predict(
    context: CliContext, spec: ModelSpec, entity: Mapping[str, str], features: Mapping[str, Json], at: str
) -> dict[str, Json]:
    """The answer of the version that serves most entities, in the gateway's form. Raises DataError if none does."""
    _, route = read_route(context.control, spec.name)
    version = route.champion if route.champion is not None else route.challenger
    if version is None:
        raise DataError(
            f"No version of {spec.name} serves yet.", hint=f"`slipstream versions {spec.name}` lists what could be rolled out."
        )
    with TemporaryDirectory() as scratch:
        model = load_model(context.control, context.ledger, spec, version, Path(scratch))
    known, degraded = _online(context, spec, model.views or spec.features.views, entity, at)
    row = {feature.name: feature.default for feature in spec.features.sent} | known | dict(features)
    model.compute([row], parse_time(at) if at else utc_now())
    asked = {feature.name: row.get(feature.name) for feature in model.inputs or spec.features.inputs}
    said = model.score_row(asked)
    if model.answers is None:
        record = Record(PREDICTION, "", "", version=version, arm="champion", degraded=degraded, score=cast(float, said))
        answer = plain_answers(spec.serving.threshold)(record)
        return answer if isinstance(answer, dict) else msgspec.structs.asdict(answer)
    record = Record(PREDICTION, "", "", version=version, arm="champion", degraded=degraded)
    model.answers.fill([record], [asked], [said])
    record.place = None if model.answers.problem.query is None else 0
    return model.answers.answer(record)


def _online(
    context: CliContext, spec: ModelSpec, views: tuple[View, ...], entity: Mapping[str, str], at: str
) -> tuple[dict[str, Json], list[str]]:
    """The entity's features at that moment, and what is degraded: the model's defaults stand in for them."""
    naive = parse_time(at) if at else utc_now()
    try:
        store = context.online()
        found = store.read_entity(spec.name, views, entity, naive)
        lost = empty_views(store, spec, views, published_rows(context.control, spec.name, views))
        return found, [f"{FLAG}{name}" for name in lost]
    except UnreachableError:
        return {}, ["features"]
