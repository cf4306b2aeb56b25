"""botocore's errors as ours: what is retried, what names the login or the region, what names the permission."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from include.backends.aws.errors import CONNECTION, RENEWED, code, is_absent, is_denied, is_throttled, reaching
from include.core.errors import PermanentError, SlipstreamError, SpecError, UnreachableError


def answer(
    said: str,
    message: str = "no",
    status: int = 400,
    operation: str = "CreateTrainingJob",
    connection: str = "",
    renewed: bool = False,
) -> ClientError:
    noted = {CONNECTION: connection, RENEWED: renewed} if connection else {}
    metadata = {"HTTPStatusCode": status, "RetryAttempts": 3}
    response: Any = {"Error": {"Code": said, "Message": message, **noted}, "ResponseMetadata": metadata}
    return ClientError(response, operation)


def ours(error: ClientError | BotoCoreError) -> SlipstreamError:
    with pytest.raises(SlipstreamError) as raised, reaching("the job x", safe="nothing was started."):
        raise error
    assert raised.value.__cause__ is error
    assert "the job x" in raised.value.what
    assert raised.value.safe
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        *map(answer, ["ThrottlingException", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded", "InternalFailure"]),
        answer("ProvisionedThroughputExceededException"),
        answer("Unknown", status=503),
        answer("Unknown", status=429),
        boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"),
        boto.EndpointConnectionError(endpoint_url="https://sagemaker.eu-west-1.amazonaws.com/"),
        boto.ConnectTimeoutError(endpoint_url="http://a"),
        boto.ReadTimeoutError(endpoint_url="http://a"),
        boto.CredentialRetrievalError(provider="container-role", error_msg="timed out"),
    ],
    ids=lambda error: code(error) or type(error).__name__,
)
def test_what_may_succeed_later_is_retried(error: ClientError | BotoCoreError) -> None:
    assert type(ours(error)) is UnreachableError


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (boto.NoCredentialsError(), "SLIPSTREAM_AWS_CONN_ID"),
        (boto.NoRegionError(), "AWS_REGION"),
        (boto.ProfileNotFound(profile="mine"), "mine"),
        (boto.EndpointConnectionError(endpoint_url="https://sagemaker.eu-wst-1.amazonaws.com/"), "eu-wst-1"),
        (answer("AuthorizationHeaderMalformed", "expecting 'eu-west-1'"), "eu-west-1"),
        (answer("InvalidClientTokenId"), "login"),
        (answer("RequestTimeTooSkewed"), "clock"),
        (answer("AccessDenied", "not trusted", 403, "AssumeRole", connection="aws_train"), "aws_train"),
    ],
    ids=lambda error: code(error) or type(error).__name__,
)
def test_a_wrong_login_or_region_is_no_matter_of_retries(error: ClientError | BotoCoreError, named: str) -> None:
    raised = ours(error)
    assert type(raised) is SpecError
    assert named in str(raised)


def test_a_login_that_expired_is_tried_again_where_it_is_renewed_and_named_where_it_is_not() -> None:
    assert type(ours(answer("ExpiredTokenException", connection="aws_train", renewed=True))) is UnreachableError
    lost = ours(answer("ExpiredToken", connection="aws_train"))
    assert type(lost) is SpecError
    assert "aws_train" in lost.hint
    assert lost.safe


def test_a_refusal_names_the_permission() -> None:
    message = "User: arn:aws:iam::1:user/a is not authorized to perform: sagemaker:CreateTrainingJob on resource: b"
    refused = ours(answer("AccessDeniedException", message, 403))
    assert type(refused) is PermanentError
    assert "the action sagemaker:CreateTrainingJob" in refused.hint
    assert "the action HeadObject" in ours(answer("403", "Forbidden", 403, "HeadObject")).hint


def test_other_refusals_and_absences_are_permanent() -> None:
    for error in (answer("ValidationException"), answer("ResourceNotFound"), boto.ParamValidationError(report="bad")):
        assert type(ours(error)) is PermanentError


def test_the_codes_are_asked_for_by_what_they_mean() -> None:
    assert is_throttled(answer("SlowDown"))
    assert not is_throttled(answer("AccessDenied"))
    assert is_denied(answer("AccessDenied"))
    assert is_absent(answer("ResourceNotFoundException"))
    assert code(answer("SlowDown")) == "SlowDown"
    assert code(boto.NoRegionError()) == code(ValueError()) == ""


def test_errors_of_others_go_through() -> None:
    with pytest.raises(KeyError), reaching("the job x"):
        raise KeyError("mine")
