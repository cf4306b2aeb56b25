"""What models cost, as the console asks for it: a line a model, a model's versions with their attempts, and what was served."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request

from include.core.errors import NotReadyError, SlipstreamError, one_line
from include.core.time import now, timestamp
from include.costs.kept import kept
from include.costs.prices import Prices
from include.costs.served import served
from include.overview.spending import of_model, spending
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION
from plugins.slipstream_access import any_access, may, model_access
from plugins.slipstream_services import services

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
Reader = Annotated[BaseUser, Depends(model_access("GET"))]


@router.get("/api/costs")
def costs(request: Request, user: User) -> dict[str, Any]:
    """Of every model that the user may read."""
    held, owners, broken = services(), dict[str, str](), dict[str, str]()
    for name in held.model_names():
        if not may(name, request, user):
            continue
        try:
            owners[name] = held.spec(name).owner
        except SlipstreamError as error:
            broken[name] = one_line(error)
    return {"models": spending(held.control, owners), "broken": broken}


@router.get("/api/costs/{model}")
def cost(model: str, user: Reader) -> dict[str, Any]:
    del user
    held = services()
    prices = Prices.of(held.spec(model).cost, held.settings.environ or None)
    return {"model": model, "prices": prices.to_json(), "versions": of_model(kept(held.control, model))}


@router.get("/api/costs/{model}/served")
def answered(model: str, user: Reader) -> dict[str, Any]:
    """By version, of the newest monitoring window's length. Reads the prediction log."""
    del user
    held = services()
    spec = held.spec(model)
    prices, since = Prices.of(spec.cost, held.settings.environ or None), now() - timedelta(days=spec.monitoring.window_days)
    try:
        found = read_records(held.prediction_log, model, timestamp(since))
        rows = served((record.version, record.latency_us) for record in found if record.kind == PREDICTION)
    except NotReadyError:
        rows = []
    return {"since": timestamp(since), "served": [each.to_json(prices) for each in rows]}
