"""MLflow's own client says which span it works for, as every client of ours does: by MLflow's plug-in for headers of requests."""

from __future__ import annotations

from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider
from mlflow.tracking.request_header.registry import _request_header_provider_registry as registry

from include.core import tracing


class TraceHeaders(RequestHeaderProvider):  # type: ignore[misc]
    def in_context(self) -> bool:
        """Whether it has anything to say: MLflow asks before each request."""
        return bool(tracing.headers())

    def request_headers(self) -> dict[str, str]:
        return tracing.headers()


def send_trace_headers() -> None:
    """Once a process, however often it is called."""
    if not any(isinstance(each, TraceHeaders) for each in registry):
        registry.register(TraceHeaders)
