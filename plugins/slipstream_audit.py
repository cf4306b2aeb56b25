"""The audit, as the console searches it: rows a page at a time, the chain's state, and what was found as a file.

A row is shown to whoever may read the model or feature set that it is about. Those about none (tokens, settings, the platform's
own) are shown to whoever may read Airflow's connections.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from include.core.catalog import owner_names
from include.core.errors import SlipstreamError, one_line
from include.governance.anchors import read_places
from include.governance.audit import AuditRow, Search, Seen, search_page
from include.governance.audit_chain import to_json, verify
from include.governance.seals import read_seals
from include.overview.models import known_models
from plugins.slipstream_access import any_access, dag_of, may
from plugins.slipstream_services import services

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
Text = Annotated[str, Query(max_length=200)]
MOST, PAGE = 200, 50
EXPORTED = 100_000  # rows of a file: `slipstream audit export` has them all, with the chain's hashes


def wanted(
    subject: Text = "", actor: Text = "", action: Text = "", since: Text = "", until: Text = "", text: Text = ""
) -> Search:
    return Search(subject, actor, action, since, until, text)


Wanted = Annotated[Search, Depends(wanted)]


@router.get("/api/audit")
def audit(
    request: Request, user: User, looked_for: Wanted, before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE,
) -> dict[str, Any]:  # fmt: skip
    """Rows, the newest first. `before`: of an earlier page, its `next`."""
    found = search_page(services().control, looked_for, _seen(request, user), before, limit)
    more = found[-1].seq if len(found) == limit else None
    return {"rows": [row.to_json() for row in found], "next": more, "whole": _whole(user)}


@router.get("/api/audit/chain")
def chain(user: User) -> dict[str, Any]:
    """The newest seal of the chain, and where it is anchored, without reading a row or an anchor: for whoever may see the whole.

    A seal is written after the chain was verified up to it."""
    if not _whole(user):
        return {"seals": None}
    stored = read_seals(services().storage)
    newest = next((each.seal for each in reversed(stored) if each.seal), None)
    told = None if newest is None else {"number": newest.number, "row": newest.seq, "at": newest.at, "hash": newest.hash}
    return {"seals": len(stored), "newest": told, "places": _places()}


@router.get("/api/audit/verify")
def verified(user: User) -> dict[str, Any]:
    """Every row, every seal and every anchor, compared: it reads the whole table, and what the places of anchors hold."""
    if not _whole(user):
        raise HTTPException(403, "The whole chain is for whoever may read Airflow's connections.")
    held = services()
    found = verify(held.control, held.storage, read_places(held.anchor_places()))
    return {**to_json(found), "words": found.words}


@router.get("/api/audit/export")
def export(request: Request, user: User, looked_for: Wanted) -> StreamingResponse:
    """What was found, a line of JSON each, the newest first."""
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(looked_for, _seen(request, user)), media_type="application/x-ndjson", headers=headers)


def _places() -> dict[str, Any]:
    """The names of the places of anchors, or why they cannot be opened."""
    try:
        return {"names": [place.name for place in services().anchor_places()], "problem": ""}
    except SlipstreamError as error:
        return {"names": [], "problem": one_line(error)}


def _lines(looked_for: Search, seen: Seen) -> Iterator[str]:
    before: int | None = None
    for _ in range(EXPORTED // MOST):
        found: list[AuditRow] = search_page(services().control, looked_for, seen, before, MOST)
        yield from (json.dumps(row.to_json(), sort_keys=True) + "\n" for row in found)
        if len(found) < MOST:
            return
        before = found[-1].seq


def _whole(user: BaseUser) -> bool:
    return get_auth_manager().is_authorized_connection(method="GET", user=user)


def _seen(request: Request, user: BaseUser) -> Seen:
    """Which rows the user may see."""
    held = services()
    names = {*owner_names(held.settings.models), *known_models(held.control)}
    mine = frozenset(name for name in names if may(name, request, user, dag=dag_of(name)))
    return Seen(mine, frozenset(names) - mine, _whole(user))
