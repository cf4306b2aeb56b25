"""The routes behind the console: one router a page. Each route says who may use it; a test walks them all."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError, GateClosed, NotAllowedError, SlipstreamError, TransientError
from plugins import (
    slipstream_acts,
    slipstream_approvals,
    slipstream_audit,
    slipstream_console,
    slipstream_costs,
    slipstream_dossier,
    slipstream_features,
    slipstream_fleet,
    slipstream_lineage,
    slipstream_model,
    slipstream_quality,
    slipstream_reports,
    slipstream_training,
)
from plugins.slipstream_access import guard_writes
from plugins.slipstream_console import Versioned
from plugins.slipstream_input import Guard, explain_input
from plugins.slipstream_services import services

# In this order: the console's own pages are named last, for any one word is a page of its.
PAGES = (
    slipstream_fleet,
    slipstream_model,
    slipstream_acts,
    slipstream_approvals,
    slipstream_training,
    slipstream_features,
    slipstream_quality,
    slipstream_lineage,
    slipstream_audit,
    slipstream_costs,
    slipstream_dossier,
    slipstream_reports,
    slipstream_console,
)
STATUS: dict[type[SlipstreamError], int] = {
    NotAllowedError: 403,
    ConflictError: 409,
    GateClosed: 409,
    DataError: 404,
    TransientError: 503,
}

app = FastAPI(title="Slipstream", docs_url=None, redoc_url=None, openapi_url=None)
app.add_middleware(Guard)
app.add_middleware(Versioned)  # around it: what is refused says of which release it is, too
app.add_exception_handler(RequestValidationError, explain_input)


def _audited() -> ControlStore:
    return services().control


guard_writes(app, _audited)


@app.exception_handler(SlipstreamError)
def explain(request: Request, error: SlipstreamError) -> JSONResponse:
    del request
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    seen = None if error.seen is None else str(error.seen)
    return JSONResponse({"error": error.what, "seen": seen, "safe": error.safe, "next": error.hint}, status)


for page in PAGES:
    app.include_router(page.router)
