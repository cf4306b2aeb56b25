"""What the Models page shows of features: the catalogue, as far as the user may see whose they are and who uses them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Query, Request

from include.core.errors import SlipstreamError
from include.overview.catalogue import Entry, catalogue
from include.services.services import Services
from plugins.slipstream_access import any_access, dag_of, may, owner_access
from plugins.slipstream_services import services

OWNERS = 12  # of a page
MayRead = Callable[[str], bool]

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
OwnerReader = Annotated[BaseUser, Depends(owner_access)]


@router.get("/api/features")
def features(
    request: Request,
    user: User,
    find: Annotated[str, Query(max_length=100)] = "",
    offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> dict[str, Any]:
    """A page of the catalogue, without the values' profiles: the features of some owners whose name, team, views or features
    hold the words."""
    may_read, held = readable(request, user), services()
    names = [name for name in [*held.feature_set_names(), *held.model_names()] if may_read(name)]
    found = [name for name in names if _holds(held, name, find.lower())]
    page = frozenset(found[offset : offset + OWNERS])
    shown = features_view(held, may_read, wanted=page.__contains__)
    return {**shown, "owners": len(found), "offset": offset, "next": offset + OWNERS if offset + OWNERS < len(found) else None}


def _holds(held: Services, name: str, words: str) -> bool:
    """One that cannot be loaded is always shown, for it says why."""
    if not words:
        return True
    try:
        spec = held.owner(name)
    except SlipstreamError:
        return True
    own = spec.features.computed.views
    texts = [name, spec.owner, *(view.name for view in own), *(feature.name for view in own for feature in view.features)]
    return any(words in text.lower() for text in texts)


@router.get("/api/features/{model}")
def features_of(model: str, request: Request, user: OwnerReader) -> dict[str, Any]:
    """Of one feature set or model, with what the values of its newest published day look like."""
    return features_view(services(), readable(request, user), model, profile=True)


def readable(request: Request, user: BaseUser) -> MayRead:
    """Whether the user may see a model or a feature set; each is asked about once."""
    return cache(lambda name: may(name, request, user, dag=dag_of(name)))


def features_view(
    services: Services, may_read: MayRead, only: str = "", *, profile: bool = False, wanted: MayRead | None = None
) -> dict[str, Any]:
    """The features of every set and model that the user may see, or of one, or of those that are `wanted`. What cannot be loaded
    is said of those alone."""
    seen = catalogue(services, only, profile=profile, wanted=lambda name: may_read(name) and (wanted is None or wanted(name)))
    broken = {name: why for name, why in seen.broken.items() if name in ("online store", only) or may_read(name)}
    return {"features": [_shown(each, may_read) for each in seen.entries], "broken": broken}


def _shown(entry: Entry, may_read: MayRead) -> dict[str, Any]:
    """Models that the user may not see are counted, not named."""
    models = [name for name in entry.models if may_read(name)]
    live = [each.to_json() for each in entry.live if may_read(each.model)]
    others = len({*entry.models, *(each.model for each in entry.live)} - {*models, *(each["model"] for each in live)})
    return {**entry.to_json(), "models": models, "live": live, "others": others}
