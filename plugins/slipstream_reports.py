"""Reports of the ledger, read-only: data docs, evaluation and drift reports, as the links of tasks open them.

A report is HTML that data has flowed into. It is served into a sandbox of its own origin: it can reach neither Airflow's
cookies nor its API, opens no window, sends no form, and leads nobody elsewhere. Scripts run only where the page names them
by their digests; a drift report of an earlier version names none, and shows our verdict without Evidently's drawings.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from include.core.errors import DataError
from include.core.html import document
from include.core.html_policy import STATIC, policy_of
from include.core.ledger import Ledger
from plugins.slipstream_access import any_access, check
from plugins.slipstream_services import services

router = APIRouter()
NOT_KEPT = {"Cache-Control": "no-store"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=3600",  # the ledger never rewrites a file
}
# A window, a verdict and a version name their pages as long as they stand; a page is a file of the ledger, which `slipstream gc`
# may have cleared away.
GONE = document(
    "No such report",
    "<h1>There is no such report</h1><p>If a page of the console led here, there was one: it is gone from the ledger "
    "(<code>slipstream gc</code>). The numbers that the console shows of it are copies, and stay. To have it made again: "
    "<code>slipstream invalidate</code> its step, and run its DAG.</p>",
).encode()


@router.get("/files/{path:path}")
def report(path: str, request: Request, user: Annotated[BaseUser, Depends(any_access)]) -> Response:
    try:
        about, data = read_report(services().ledger, path)
    except HTTPException as error:
        return Response(GONE, error.status_code, media_type="text/html; charset=utf-8", headers={**headers_of(GONE), **NOT_KEPT})
    check("GET", about, request, user)
    return Response(data, media_type="text/html; charset=utf-8", headers=headers_of(data))


def headers_of(page: bytes) -> dict[str, str]:
    """How a page of ours is served: in a sandbox, under the policy that it carries, or without any script."""
    carried = policy_of(page)
    scripted = carried if "script-src" in carried else ""  # a page may say of itself that no script runs in it
    sandbox = "sandbox allow-scripts" if scripted else "sandbox"
    return {**HEADERS, "Content-Security-Policy": f"{sandbox}; {scripted or STATIC}; frame-ancestors 'self'"}


def read_report(ledger: Ledger, path: str) -> tuple[str, bytes]:
    """The model it is about, and the bytes. Raises 404 for anything that is no report of the ledger."""
    parts = PurePosixPath(path).parts
    # ledger/{step}/{digest}/g{n}/a{n}/.../{name}.html
    if len(parts) < 5 or parts[0] != "ledger" or ".." in parts or not path.endswith(".html"):
        raise HTTPException(404, "There is no such report.")
    try:
        return ledger.request(f"{parts[1]}/{parts[2]}").model, ledger.storage.read("/".join(parts))
    except (OSError, DataError, ValueError) as error:
        raise HTTPException(404, "There is no such report.") from error
