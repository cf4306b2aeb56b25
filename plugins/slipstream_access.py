"""Who may do what on the Models page: exactly what Airflow lets them do with the model's DAGs.

Routes of a plugin are open to the world unless each says otherwise; a test walks them all. A write must come from a page of
Airflow's own, too: a browser sends its cookie along with what any other page asks for. Refused writes are in the audit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from airflow.configuration import conf
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException as StarletteHTTPException

from include.core.control import ControlStore
from include.core.environment import ORIGINS
from include.core.origin import SAFE, foreign, origins_of
from include.core.refused import RefusedWrites

Method = Literal["GET", "POST"]


def guard_writes(app: FastAPI, control: Callable[[], ControlStore]) -> None:
    """Before its routes are made: each asks where a write comes from, and what is refused goes into the audit."""
    refused = RefusedWrites("console", control)

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        if request.method not in SAFE and error.status_code in (401, 403):
            _note(refused, request, str(error.detail))
        return await http_exception_handler(request, error)

    app.router.dependencies.append(Depends(own_page))
    app.add_exception_handler(StarletteHTTPException, refuse)


def own_page(request: Request, user: GetUserDep) -> None:
    """Raises 403 for a write that another site's page sent."""
    request.state.user = user
    if request.method not in SAFE and (why := foreign(request.headers.raw, _ours())):
        request.state.why = "origin"
        raise HTTPException(403, f"Nothing was changed: {why}. Act on Airflow's own pages, or name the origin in {ORIGINS.name}.")


def _note(refused: RefusedWrites, request: Request, text: str) -> None:
    user, route = getattr(request.state, "user", None), getattr(request.scope.get("route"), "path", "another")
    why = getattr(request.state, "why", "right" if user is not None else "login")
    actor = f"{user.get_name()} (Airflow)" if user is not None else "nobody (Airflow)"
    detail = f"{text} {request.headers.get('origin', '')}".strip()
    refused.note(actor, f"{request.method} {route}", why, str(request.path_params.get("model", "")), detail)


@cache
def _ours() -> frozenset[str]:
    return origins_of(f"{conf.get('api', 'base_url', fallback='')},{ORIGINS.read()}")


def model_access(method: Method, dag: str = "rollout") -> Callable[[Request, BaseUser], BaseUser]:
    """A dependency of a route with `{model}` in its path: the right to read or run that model's DAG, and that there is one.

    Asked for in that order: who may not read a model does not learn whether it exists.
    """

    def inner(request: Request, user: GetUserDep) -> BaseUser:
        model = request.path_params["model"]
        check(method, model, request, user, dag)
        require_known(model)
        return user

    return inner


def owner_access(request: Request, user: GetUserDep) -> BaseUser:
    """The same of a route about a model or a feature set, which has a features DAG alone."""
    owner = request.path_params["model"]
    check("GET", owner, request, user, dag_of(owner))
    require_known(owner)
    return user


def dag_of(owner: str) -> str:
    """The DAG by whose right one sees an owner: a feature set has no rollout."""
    from include.core.catalog import is_set
    from plugins.slipstream_services import services

    return "features" if is_set(owner, services().settings.models) else "rollout"


def owner_operator(request: Request, user: GetUserDep) -> BaseUser:
    """The right to run the DAG that takes in a range of partitions of a model or a feature set."""
    owner = request.path_params["model"]
    check("POST", owner, request, user, "features_range")
    require_known(owner)
    return user


def require_known(model: str) -> None:
    """Raises DataError, which answers 404 with the models there are."""
    from include.overview.models import require_model
    from plugins.slipstream_services import services

    require_model(model, services().settings.models, lambda: services().control)


def any_access(request: Request, user: GetUserDep) -> BaseUser:
    """Anyone who may use the UI. What they then see is filtered by `may`."""
    requires_access_view(AccessView.WEBSITE)(request, user)
    return user


def check(method: Method, model: str, request: Request, user: BaseUser, dag: str = "rollout") -> None:
    """Raises 403."""
    requires_access_dag(method, DagAccessEntity.RUN, param_dag_id=f"{model}_{dag}")(request, user)


def may(model: str, request: Request, user: BaseUser, method: Method = "GET", dag: str = "rollout") -> bool:
    """Whether they may see the model at all, or run that DAG of it: the page offers nothing that would be refused."""
    try:
        check(method, model, request, user, dag)
    except HTTPException:
        return False
    return True
