"""The lineage of a version, as the console walks it: the graph, the days of a folded node, and a node opened or verified."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Query, Request

from include.overview.lineage_graph import days_of_version, graph_of, node_of, owner_of, versions_of
from plugins.slipstream_access import any_access, check, dag_of, model_access
from plugins.slipstream_dossier import dossiers_about
from plugins.slipstream_input import VERSIONS
from plugins.slipstream_services import services

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
Reader = Annotated[BaseUser, Depends(model_access("GET"))]
Version = Annotated[int | None, Query(ge=1, le=VERSIONS)]
Name = Annotated[str, Query(min_length=1, max_length=128)]


@router.get("/api/lineage/{model}")
def lineage(model: str, user: Reader, version: Version = None) -> dict[str, Any]:
    del user
    graph = graph_of(services().ledger, services().control, model, version)
    return {**graph, "dossiers": dossiers_about(model, graph["version"])}


@router.get("/api/lineage/{model}/versions/{version}/days")
def days(
    model: str, version: int, user: Reader, owner: Name, offset: Annotated[int, Query(ge=0, le=10**7)] = 0
) -> dict[str, Any]:
    """The partitions that a version was trained on, a page of those of one owner."""
    del user
    return days_of_version(services().ledger, services().control, model, version, owner, offset)


@router.get("/api/lineage")
def node(
    request: Request,
    user: User,
    result: Annotated[str, Query(min_length=1, max_length=300)],
    model: Annotated[str, Query(max_length=128)] = "",
    verify: bool = False,
) -> dict[str, Any]:
    """A result of the ledger. `model`: whose versions it went into is told as well. `verify`: every byte of it is read, and its
    digests are computed again."""
    held = services()
    owner = owner_of(held.ledger, result)
    check("GET", owner, request, user, dag_of(owner))
    if model:
        check("GET", model, request, user, dag_of(model))
    went = versions_of(held.ledger, held.control, model, result) if model else []
    return {**node_of(held.ledger, result, verify=verify), "versions": went}
