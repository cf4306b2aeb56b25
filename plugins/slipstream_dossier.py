"""The dossiers that are kept of a version, for whoever may read the model: as a page, as JSON, and which there are.

The API server holds no key that signs, so it makes none: what a task or the command line made and kept is handed out as it was
made, after its digests and its signature were looked at. Its page holds what authors and data said: it is opened in a sandbox in
which no script runs.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from include.governance.dossier.envelope import as_page
from include.overview.dossier.shelf import command, shelf, take_down
from plugins.slipstream_access import model_access
from plugins.slipstream_input import VERSIONS
from plugins.slipstream_reports import NOT_KEPT, headers_of
from plugins.slipstream_services import services

router = APIRouter()
Reader = Annotated[BaseUser, Depends(model_access("GET"))]
Version = Annotated[int, Path(ge=1, le=VERSIONS)]
Digest = Annotated[str, Query(pattern=r"^([0-9a-f]{16})?$")]
TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}


@router.get("/api/models/{model}/dossiers")
def dossiers(model: str, user: Reader) -> dict[str, Any]:
    """{version: [those that are kept, the newest first]}."""
    del user
    return dossiers_of(model)


@router.get("/api/models/{model}/versions/{version}/dossier.{form}")
def dossier(model: str, version: Version, form: Literal["html", "json"], user: Reader, digest: Digest = "") -> Response:
    """The newest, or the one of that digest. JSON is what `slipstream dossier verify` takes; so is the page, saved."""
    del user
    held = services()
    data = take_down(held.control, held.storage, model, version, digest)
    page = as_page(data)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{model}-v{version}.dossier.{form}")
    where = f'{"attachment" if form == "json" else "inline"}; filename="{name}"'
    headers = {**headers_of(page), **NOT_KEPT, "Content-Disposition": where}
    return Response(page if form == "html" else data, media_type=TYPES[form], headers=headers)


def dossiers_of(model: str) -> dict[str, Any]:
    """The same for another route of a reader of the model."""
    return {str(version): [each.to_json() for each in kept] for version, kept in shelf(services().control, model).items()}


def dossiers_about(model: str, version: int) -> dict[str, Any]:
    """{"kept": those of one version, "command": what makes one}."""
    return {"kept": dossiers_of(model).get(str(version), []), "command": command(model, version)}
