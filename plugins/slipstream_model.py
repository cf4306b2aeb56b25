"""The model page's routes: what the stores hold of a model, its windows, its lineage, the evidence of a rollout."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from include.governance.audit import history
from include.governance.lineage import trace
from include.governance.tree import render
from include.overview.standing import overview
from include.rollout.history import events, read_rollout
from include.rollout.report import rollout_page
from plugins.slipstream_access import any_access, may, model_access
from plugins.slipstream_input import VERSIONS
from plugins.slipstream_reports import headers_of
from plugins.slipstream_services import services
from plugins.slipstream_view import model_view, windows

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
Reader = Annotated[BaseUser, Depends(model_access("GET"))]
Version = Annotated[int | None, Query(ge=1, le=VERSIONS)]


@router.get("/api/models")
def models(request: Request, user: User) -> list[str]:
    return [name for name in services().model_names() if may(name, request, user)]


@router.get("/api/models/{model}")
def model(model: str, request: Request, user: Reader) -> dict[str, Any]:
    spec, settings = services().spec(model), services().settings
    links = {"registry": f"{settings.mlflow_url}/#/models/{model}", "jobs": settings.ray_url}
    dags = [f"{model}_{name}" for name in ("features", "features_range", "training", "rollout", "monitoring", "scoring")]
    rights = {"roll_back": may(model, request, user, "POST"), "recompute": may(model, request, user, "POST", "training")}
    rows = [row.to_json() for row in history(services().control, model, limit=20)]
    shown = model_view(services().ledger, services().control, spec, overview(services().control, model))
    return {**shown, "links": links, "dags": dags, "may": rights, "audit": rows}


@router.get("/api/models/{model}/windows")
def watched(model: str, user: Reader) -> list[dict[str, Any]]:
    del user
    return windows(services().ledger, services().control, services().spec(model))


@router.get("/api/models/{model}/trace")
def lineage(model: str, user: Reader, version: Version = None) -> dict[str, Any]:
    del user
    traced = trace(services().ledger, services().control, model, version)
    return {**traced.to_json(), "text": render(traced)}


@router.get("/api/models/{model}/rollouts/{rollout}")
def evidence(model: str, rollout: str, user: Reader) -> Response:
    """The rollout as a page: what was seen against the boundaries."""
    del user
    known = read_rollout(services().control, rollout)
    if known.model != model:
        raise HTTPException(404, f"{rollout} is of another model.")
    page = rollout_page(known, events(services().control, rollout)).encode()
    return HTMLResponse(page, headers={**headers_of(page), "Cache-Control": "no-store"})
