"""The fleet page's route: how all models are that the reader may see."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request

from include.core.errors import SlipstreamError, one_line
from include.core.spec import ModelSpec
from include.overview.fleet import counted, fleet
from plugins.slipstream_access import any_access, may
from plugins.slipstream_services import services

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]


@router.get("/api/models")
def models(request: Request, user: User) -> list[str]:
    return [name for name in services().model_names() if may(name, request, user)]


@router.get("/api/fleet")
def standing(request: Request, user: User) -> dict[str, Any]:
    """{models: in name's order, counts: by health}."""
    specs, broken = dict[str, ModelSpec](), dict[str, str]()
    for name in models(request, user):
        try:
            specs[name] = services().spec(name)
        except SlipstreamError as error:  # one folder that cannot be loaded is said of that model alone
            broken[name] = one_line(error)
    found = fleet(services().control, specs, broken)
    return {"models": [each.to_json() for each in found], "counts": counted(found)}
