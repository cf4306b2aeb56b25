"""The routes behind the Models page. Reads the control store and the ledger; acts through the stages' own functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError, GateClosed, NotAllowedError, SlipstreamError, TransientError
from include.core.html import STYLE
from include.core.html_policy import script_policy, scripts
from include.governance.audit import history
from include.governance.invalidation import dependents, find, invalidate, named, require_step
from include.governance.lineage import trace
from include.governance.mirror import follow
from include.governance.tree import render
from include.overview.standing import overview
from include.rollout.history import events, read_rollout
from include.rollout.pause import abort, pause, resume
from include.rollout.report import rollout_page
from include.rollout.restore import restore, restore_now
from include.rollout.rollback import roll_back_model
from plugins.slipstream_access import any_access, check, guard_writes, may, model_access, owner_access
from plugins.slipstream_approvals import router as approvals
from plugins.slipstream_features import dag_of, features_view
from plugins.slipstream_input import VERSIONS, Guard, explain_input
from plugins.slipstream_reports import headers_of, read_report
from plugins.slipstream_services import services
from plugins.slipstream_view import model_view, windows

app = FastAPI(title="Slipstream", docs_url=None, redoc_url=None, openapi_url=None)
app.add_middleware(Guard)
app.add_exception_handler(RequestValidationError, explain_input)

User = Annotated[BaseUser, Depends(any_access)]
Reader = Annotated[BaseUser, Depends(model_access("GET"))]
OwnerReader = Annotated[BaseUser, Depends(owner_access)]
Operator = Annotated[BaseUser, Depends(model_access("POST"))]
Trainer = Annotated[BaseUser, Depends(model_access("POST", "training"))]

Version = Annotated[int | None, Query(ge=1, le=VERSIONS)]

STATUS: dict[type[SlipstreamError], int] = {
    NotAllowedError: 403,
    ConflictError: 409,
    GateClosed: 409,
    DataError: 404,
    TransientError: 503,
}
PAGE = Path(__file__).with_name("slipstream_page.html")
PAGE_POLICY = "connect-src 'self'; frame-ancestors 'self'"  # beside its own script, and what any page of ours may


class Reason(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


class Restoration(Reason):
    """Offers the version again; with `now` it answers everybody at once. `despite_gate`: although its gate is closed."""

    version: int = Field(strict=True, ge=1, lt=2**31)
    now: bool = Field(default=False, strict=True)
    despite_gate: bool = Field(default=False, strict=True)


class Invalidation(Reason):
    """Either a key, or a step and perhaps a day. Without `confirm` it only shows what would be affected."""

    key: str = Field(default="", pattern=r"^([a-z0-9_]{1,100}/[0-9a-f]{8,64})?$")
    step: str = Field(default="", pattern=r"^[a-z0-9_]{0,100}$")
    day: str = Field(default="", max_length=30)
    confirm: bool = False


def _audited() -> ControlStore:
    return services().control


guard_writes(app, _audited)
app.include_router(approvals)


@app.exception_handler(SlipstreamError)
def explain(request: Request, error: SlipstreamError) -> JSONResponse:
    del request
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    seen = None if error.seen is None else str(error.seen)
    return JSONResponse({"error": error.what, "seen": seen, "safe": error.safe, "next": error.hint}, status)


@app.get("/")
def models_page(user: User) -> HTMLResponse:
    del user
    text = PAGE.read_text().replace("/*LOOK*/", STYLE)
    policy = f"{script_policy(scripts(text))}; {PAGE_POLICY}"
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
    return HTMLResponse(text, headers=headers)


@app.get("/api/models")
def models(request: Request, user: User) -> list[str]:
    return [name for name in services().model_names() if may(name, request, user)]


@app.get("/api/features")
def features(request: Request, user: User) -> dict[str, Any]:
    """The catalogue, without the values' profiles."""
    return features_view(services(), _may_read(request, user))


@app.get("/api/features/{model}")
def features_of(model: str, request: Request, user: OwnerReader) -> dict[str, Any]:
    """Of one feature set or model, with what the values of its newest published day look like."""
    return features_view(services(), _may_read(request, user), model, profile=True)


@app.get("/api/models/{model}")
def model(model: str, request: Request, user: Reader) -> dict[str, Any]:
    spec, settings = services().spec(model), services().settings
    links = {"registry": f"{settings.mlflow_url}/#/models/{model}", "jobs": settings.ray_url}
    dags = [f"{model}_{name}" for name in ("features", "features_range", "training", "rollout", "monitoring", "scoring")]
    rights = {"roll_back": may(model, request, user, "POST"), "recompute": may(model, request, user, "POST", "training")}
    rows = [row.to_json() for row in history(services().control, model, limit=20)]
    shown = model_view(services().ledger, services().control, spec, overview(services().control, model))
    return {**shown, "links": links, "dags": dags, "may": rights, "audit": rows}


@app.get("/api/models/{model}/windows")
def watched(model: str, user: Reader) -> list[dict[str, Any]]:
    del user
    return windows(services().ledger, services().control, services().spec(model))


@app.get("/api/models/{model}/trace")
def lineage(model: str, user: Reader, version: Version = None) -> dict[str, Any]:
    del user
    traced = trace(services().ledger, services().control, model, version)
    return {**traced.to_json(), "text": render(traced)}


@app.post("/api/models/{model}/rollback")
def rollback(model: str, body: Reason, user: Operator, later: BackgroundTasks) -> dict[str, Any]:
    later.add_task(_mirror, model)
    return dict(vars(roll_back_model(services().control, model, actor=_name(user), reason=body.reason)))


@app.post("/api/models/{model}/restore")
def restore_version(model: str, body: Restoration, user: Operator, later: BackgroundTasks) -> dict[str, Any]:
    """A version that had its rollout is offered again, or returns to production."""
    later.add_task(_mirror, model)
    given = (services().control, services().ledger, model, body.version)
    if body.now:
        spec = services().readable_spec(model)
        back = restore_now(*given, actor=_name(user), reason=body.reason, despite_gate=body.despite_gate, spec=spec)
        return dict(vars(back))
    return dict(vars(restore(*given, actor=_name(user), reason=body.reason, despite_gate=body.despite_gate)))


@app.post("/api/models/{model}/rollout/{verb}")
def control_rollout(
    model: str, verb: Literal["pause", "resume", "abort"], body: Reason, user: Operator, later: BackgroundTasks
) -> dict[str, Any]:
    """Manual control of the live rollout: pause, resume, abort."""
    if verb == "abort":
        later.add_task(_mirror, model)
        return dict(vars(abort(services().control, model, actor=_name(user), reason=body.reason)))
    act = pause if verb == "pause" else resume
    rollout = act(services().control, model, actor=_name(user), reason=body.reason)
    return {"rollout": rollout.id, "state": rollout.state, "stage": rollout.stage, "challenger": rollout.challenger}


@app.get("/api/models/{model}/rollouts/{rollout}")
def evidence(model: str, rollout: str, user: Reader) -> Response:
    """The rollout as a page: what was seen against the boundaries."""
    del user
    known = read_rollout(services().control, rollout)
    if known.model != model:
        raise HTTPException(404, f"{rollout} is of another model.")
    page = rollout_page(known, events(services().control, rollout)).encode()
    return HTMLResponse(page, headers={**headers_of(page), "Cache-Control": "no-store"})


@app.post("/api/models/{model}/invalidate")
def recompute(model: str, body: Invalidation, user: Trainer) -> dict[str, Any]:
    ledger = services().ledger
    if not body.key:
        require_step(ledger, model, body.step)
    chosen = [named(ledger, body.key)] if body.key else find(ledger, model, body.step, body.day or None)
    if any(each.model != model for each in chosen):
        raise HTTPException(404, f"{body.key} is of another model.")
    affected = dependents(ledger, [each.key for each in chosen])
    opened = invalidate(ledger, services().control, chosen, actor=_name(user), reason=body.reason) if body.confirm else []
    shown = {"chosen": chosen, "dependents": affected, "opened": opened}
    return {name: [each.to_json() for each in held] for name, held in shown.items()}


@app.get("/files/{path:path}")
def report(path: str, request: Request, user: User) -> Response:
    about, data = read_report(services().ledger, path)
    check("GET", about, request, user)
    return Response(data, media_type="text/html; charset=utf-8", headers=headers_of(data))


def _may_read(request: Request, user: BaseUser) -> Callable[[str], bool]:
    """Whether the user may see a model or a feature set; each is asked about once."""
    return cache(lambda name: may(name, request, user, dag=dag_of(services(), name)))


def _mirror(model: str) -> None:
    """After the answer: have the registry show what was decided. Where it is down, that is recorded."""
    follow(services().control, services().labels, model)


def _name(user: BaseUser) -> str:
    return f"{user.get_name()} (Airflow)"
