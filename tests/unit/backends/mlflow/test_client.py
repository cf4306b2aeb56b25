"""MLflow's answers as errors of ours."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException, RestException

from include.backends.mlflow.client import explained
from include.core.errors import PermanentError, SlipstreamError, TransientError, UnreachableError

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
