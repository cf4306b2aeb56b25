"""What the Models page shows of features: the catalogue, as far as the user may see whose they are and who uses them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request

from include.core.catalog import is_set
from include.overview.catalogue import Entry, catalogue
from include.services.services import Services
from plugins.slipstream_access import any_access, may, owner_access
from plugins.slipstream_services import services

MayRead = Callable[[str], bool]

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
OwnerReader = Annotated[BaseUser, Depends(owner_access)]


@router.get("/api/features")
def features(request: Request, user: User) -> dict[str, Any]:
    """The catalogue, without the values' profiles."""
    return features_view(services(), readable(request, user))


@router.get("/api/features/{model}")
def features_of(model: str, request: Request, user: OwnerReader) -> dict[str, Any]:
    """Of one feature set or model, with what the values of its newest published day look like."""
    return features_view(services(), readable(request, user), model, profile=True)


def readable(request: Request, user: BaseUser) -> MayRead:
    """Whether the user may see a model or a feature set; each is asked about once."""
    return cache(lambda name: may(name, request, user, dag=dag_of(services(), name)))


def dag_of(services: Services, owner: str) -> str:
    """The DAG by whose right one sees an owner: a feature set has no rollout."""
    return "features" if is_set(owner, services.settings.models) else "rollout"


def features_view(services: Services, may_read: MayRead, only: str = "", *, profile: bool = False) -> dict[str, Any]:
    """The features of every set and model that the user may see, or of one. What cannot be loaded is said of those alone."""
    seen = catalogue(services, only, profile=profile, wanted=may_read)
    broken = {name: why for name, why in seen.broken.items() if name in ("online store", only) or may_read(name)}
    return {"features": [_shown(each, may_read) for each in seen.entries], "broken": broken}


def _shown(entry: Entry, may_read: MayRead) -> dict[str, Any]:
    """Models that the user may not see are counted, not named."""
    models = [name for name in entry.models if may_read(name)]
    live = [each.to_json() for each in entry.live if may_read(each.model)]
    others = len({*entry.models, *(each.model for each in entry.live)} - {*models, *(each["model"] for each in live)})
    return {**entry.to_json(), "models": models, "live": live, "others": others}
