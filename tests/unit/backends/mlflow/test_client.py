"""MLflow's answers as errors of ours."""

from __future__ import annotations

import httpx
import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking.request_header.registry import resolve_request_headers

from include.backends.mlflow.client import explained
from include.backends.mlflow.rest import MlflowRest
from include.backends.mlflow.trace_headers import send_trace_headers
from include.core import tracing
from include.core.errors import PermanentError, SlipstreamError, TransientError, UnreachableError
from tests.support.traced import PARENT, in_a_span

URL = "http://127.0.0.1:1"
STALE = "UPDATE statement on table 'registered_model_aliases' expected to update 1 row(s); 0 were matched."


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        (RestException({"error_code": "BAD_REQUEST", "message": STALE}), TransientError),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "no"}), PermanentError),
        (MlflowException("API request to http://x failed with exception refused"), UnreachableError),
    ],
)
def test_what_a_retry_may_mend_is_transient(answer: MlflowException, ours: type[SlipstreamError]) -> None:
    with pytest.raises(ours, match="Safe: "), explained(URL):
        raise answer


def test_an_answer_that_means_no_passes_through() -> None:
    with pytest.raises(RestException, match="no such model"), explained(URL):
        raise RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"})


def test_mlflows_own_client_says_which_span_it_works_for(monkeypatch: pytest.MonkeyPatch) -> None:
    send_trace_headers()
    send_trace_headers()
    assert "traceparent" not in resolve_request_headers()
    in_a_span(monkeypatch)
    assert resolve_request_headers()["traceparent"] == PARENT  # once: two would be one header of both


def test_a_session_says_which_span_it_was_opened_in_whatever_thread_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_span(monkeypatch)
    rest, seen = MlflowRest(URL), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["traceparent"])
        return httpx.Response(200, json={})

    rest._client = httpx.Client(base_url=URL, transport=httpx.MockTransport(answer))
    rest.finish_run("r", 1)
    monkeypatch.setattr(tracing, "_tracer", None)  # as in a thread, which is in no span
    rest.finish_run("r", 1)
    assert seen == [PARENT, PARENT]
