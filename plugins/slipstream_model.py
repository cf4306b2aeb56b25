"""The model page's routes: what the stores hold of a model, its windows, its lineage, the evidence of a rollout."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from include.core.errors import SpecError
from include.core.time import now
from include.governance.audit import history
from include.governance.comparison import compare
from include.governance.lineage import trace
from include.governance.tree import render
from include.monitoring.retraining.decision import history as decision_history
from include.monitoring.retraining.outlook import outlook
from include.monitoring.retraining.retrainings import page as decisions
from include.overview.standing import overview
from include.rollout.history import events, live_rollout, read_rollout
from include.rollout.live_view import live_view
from include.rollout.report import rollout_page
from plugins.slipstream_access import may, model_access
from plugins.slipstream_dossier import dossiers_of
from plugins.slipstream_input import VERSIONS
from plugins.slipstream_reports import headers_of
from plugins.slipstream_services import services
from plugins.slipstream_view import model_view, windows

router = APIRouter()
Reader = Annotated[BaseUser, Depends(model_access("GET"))]
Version = Annotated[int | None, Query(ge=1, le=VERSIONS)]
Number = Annotated[int, Query(ge=1, le=VERSIONS)]
Moment = Annotated[str, Query(max_length=40)]
PAGE = 20  # decisions
# What the reader may do, by the DAG that they need the right to run.
RIGHTS = {"roll_back": "rollout", "recompute": "training", "train": "training", "backfill": "features_range"}


@router.get("/api/models/{model}")
def model(model: str, request: Request, user: Reader) -> dict[str, Any]:
    settings, broken = services().settings, ""
    try:
        spec = services().spec(model)
    except SpecError as error:
        spec, broken = None, "\n".join(error.lines())
    links = {"registry": f"{settings.mlflow_url}/#/models/{model}", "jobs": settings.ray_url}
    dags = [f"{model}_{name}" for name in ("features", "features_range", "training", "rollout", "monitoring", "scoring")]
    rights = {name: may(model, request, user, "POST", dag) for name, dag in RIGHTS.items()}
    rows = [row.to_json() for row in history(services().control, model, limit=20)]
    shown = model_view(services().ledger, services().control, spec, overview(services().control, model))
    return {**shown, "links": links, "dags": dags, "may": rights, "audit": rows, "dossiers": dossiers_of(model),
            "broken": broken}  # fmt: skip


@router.get("/api/models/{model}/live")
def live(model: str, user: Reader) -> dict[str, Any]:
    """How far the live rollout's stage is; empty where there is none."""
    del user
    known = live_rollout(services().control, model)
    return {} if known is None else live_view(services().control, services().spec(model), known, now())


@router.get("/api/models/{model}/decisions")
def decided(model: str, user: Reader, before: Moment = "") -> dict[str, Any]:
    """A page of the policy's decisions, the newest first: on windows that ended before a moment. `more`: are there older ones?"""
    del user
    rows = decisions(services().control, model, PAGE + 1, before)
    told = [{name: row[name] for name in ("as_of", "action", "reasons")} | words_of(row) for row in rows[:PAGE]]
    return {"decisions": told, "more": len(rows) > PAGE}


@router.get("/api/models/{model}/outlook")
def coming(model: str, user: Reader) -> dict[str, Any]:
    """What the policy would do next, and why."""
    del user
    return outlook(decision_history(services().control, model), services().spec(model).retraining)


@router.get("/api/models/{model}/compare")
def compared(model: str, user: Reader, before: Number, after: Number) -> dict[str, Any]:
    del user
    return compare(services().ledger, services().control, model, before, after)


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


def words_of(row: dict[str, Any]) -> dict[str, str]:
    evidence = row["evidence"] or {}
    return {"words": str(evidence.get("words") or "; ".join(row["reasons"])), "window": str(row["key"]).rpartition(":")[2]}
