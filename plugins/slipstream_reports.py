"""Reports of the ledger, read-only: data docs, evaluation and drift reports, as the links of tasks open them.

A report is HTML that data has flowed into. It is served into a sandbox of its own origin: its scripts run,
but can reach neither Airflow's cookies nor its API.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from fastapi import HTTPException

from include.core.errors import DataError
from include.core.ledger import Ledger

HEADERS = {
    "Content-Security-Policy": (
        "sandbox allow-scripts allow-popups; default-src 'none'; style-src 'unsafe-inline'; font-src data:; "
        "script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=3600",  # the ledger never rewrites a file
}


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
