"""A client of the tracking server: credentials, short timeouts, and errors a person can act on."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from include.backends.mlflow.rest import CONNECTION, tls_context
from include.backends.mlflow.trace_headers import send_trace_headers
from include.core.connection import from_env
from include.core.environment import CA_BUNDLE, MLFLOW_CERTIFICATES, MLFLOW_INSECURE
from include.core.errors import PermanentError, TransientError, UnreachableError
from include.core.settings import Settings

TIMEOUT = 5.0  # seconds, to learn whether anybody listens
STALE = "were matched"  # its server's words (SQLAlchemy's) for a row that another request changed meanwhile; as HTTP 400

# Only for this process: MLflow reads them where it makes a request. Airflow's retries wait longer.
PROCESS = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
PAGE = 1000  # of what a search finds


def open_client(settings: Settings) -> MlflowClient:
    """A client of `settings.mlflow_url`, with the login of the connection `slipstream_mlflow`."""
    os.environ.update(PROCESS)
    send_trace_headers()
    # MLflow's client has a name of its own for it, and refuses it beside the other.
    insecure = MLFLOW_INSECURE.is_on()
    if (authorities := CA_BUNDLE.read()) and not insecure:
        os.environ.setdefault(MLFLOW_CERTIFICATES.name, authorities)
    connection = from_env(CONNECTION, settings.environ)
    if connection is not None and connection.login:
        os.environ["MLFLOW_TRACKING_USERNAME"] = connection.login
        os.environ["MLFLOW_TRACKING_PASSWORD"] = connection.password
    return MlflowClient(tracking_uri=settings.mlflow_url, registry_uri=settings.mlflow_url)


def check_reachable(url: str) -> None:
    """Fail within seconds if nobody listens: the client itself would try for minutes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT, context=tls_context())
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/health")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(url, error) from error
    finally:
        connection.close()


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn MLflow's errors into ours; an answer that means "no" passes through."""
    try:
        yield
    except MlflowException as error:
        status = int(error.get_http_status_code())
        if status in (401, 403):
            raise PermanentError(
                f"MLflow at {url} refused the login of the connection {CONNECTION!r}.",
                seen=error.error_code,
                safe="nothing was changed.",
                hint="set its login and password, and allow it to edit; then clear the task.",
            ) from error
        if "failed with exception" in str(error) or status in (429, 502, 503, 504):
            raise unreachable(url, error) from error
        if STALE in str(error):
            raise TransientError(
                f"MLflow at {url} was changing the same row for somebody else at that moment.",
                seen=str(error)[:200],
                safe="what it holds is found again by its key: the retry makes no second version.",
                hint="none: the task is retried.",
            ) from error
        raise


def pages(search: Callable[..., PagedList[Any]], *given: Any, **named: Any) -> Iterator[Any]:
    """What a search finds, page by page."""
    token: str | None = None
    while True:
        page = search(*given, **named, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def unreachable(url: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"MLflow at {url} does not answer: {type(error).__name__}: {error}.",
        safe="what it holds is found again by its key: the retry makes no second version.",
        hint="start it, or set SLIPSTREAM_MLFLOW_URL to where it is.",
    )
