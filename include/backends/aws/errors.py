"""botocore's errors as ours: what a retry can help with, what is wrong with the login or the region, and what AWS refuses.

The codes are those of "Common Error Types" in the references of AWS's APIs and of the services' own error lists; S3's are in
"Error responses" of its reference. Whoever speaks to AWS asks here, and has no list of codes of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from include.core.environment_aws import AWS_CONN_ID
from include.core.errors import PermanentError, SlipstreamError, SpecError, UnreachableError

CONNECTION, RENEWED = "SlipstreamConnection", "SlipstreamRenewed"
"""What include/backends/aws/access.py notes down in an error's answer: the connection, and whether its login is renewed."""

_THROTTLED = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown",
    "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException", "TransactionInProgressException",
    "429",
})  # fmt: skip
_BUSY = frozenset({
    "500", "502", "503", "504", "IDPCommunicationError", "InternalError", "InternalFailure", "InternalServerError",
    "InternalServerException", "InternalServiceError", "InternalServiceException", "RequestTimeout", "RequestTimeoutException",
    "ServiceUnavailable", "ServiceUnavailableException",
})  # fmt: skip
_BUSY_STATUS = frozenset({500, 502, 503, 504})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_DENIED = frozenset({
    "403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AuthorizationErrorException", "Forbidden",
    "KMS.AccessDeniedException", "KMSAccessDeniedException", "NotAuthorized", "UnauthorizedAccess", "UnauthorizedOperation",
})  # fmt: skip
_LOGIN = frozenset({
    "AuthFailure", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidIdentityToken",
    "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
    "NotSignedUp", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_REGION = frozenset({
    "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegion", "OptInRequired",
    "PermanentRedirect", "RegionDisabledException",
})  # fmt: skip
_ABSENT = frozenset({
    "404", "EntityNotFoundException", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NotFound", "NotFoundException",
    "ParameterNotFound", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "ResourceNotFound",
    "ResourceNotFoundException", "TableNotFoundException",
})  # fmt: skip
_LOST = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError)
_NO_LOGIN = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound, boto.NoAuthTokenError, boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError, boto.LoginError,
)  # fmt: skip
_NO_REGION = (
    boto.NoRegionError, boto.InvalidRegionError, boto.UnknownRegionError, boto.ServiceNotInRegionError,
    boto.EndpointProviderError,
)  # fmt: skip
_ACTION = re.compile(r"not authorized to perform:? ?(?P<action>[\w-]+:\w+)")
_HOST = re.compile(r"\.(?P<region>[a-z]{2,3}(?:-[a-z]+)+-\d+)\.(?:[\w.-]*)amazonaws\.com")
_ROLES = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity"})

LOGIN = f"see the Airflow connection that {AWS_CONN_ID.name} names"


def code(error: BaseException) -> str:
    """AWS's own code of an error, such as `ThrottlingException`; empty where it did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_throttled(error: BaseException) -> bool:
    """AWS asks for fewer requests: the same one will do later."""
    return code(error) in _THROTTLED or _status(error) == 429


def is_transient(error: BaseException) -> bool:
    """The same request may do later: AWS asks for fewer of them, is busy, or was not reached."""
    busy = code(error) in _BUSY or _status(error) in _BUSY_STATUS
    return isinstance(error, _LOST) or is_throttled(error) or busy


def is_absent(error: BaseException) -> bool:
    """What was asked for is not there. SageMaker's `ValidationException` is not among them: its words must be read."""
    return code(error) in _ABSENT


def is_denied(error: BaseException) -> bool:
    """The login may not do that."""
    return code(error) in _DENIED


@contextmanager
def reaching(what: str, *, safe: str = "", hint: str = "") -> Iterator[None]:
    """Around calls of AWS for `what` ("the job x"): errors of botocore become ours. Whatever else is raised goes through.

    `safe`: what nobody has to fear after an error here; `hint`: what to do where the error itself does not say it.

    Raises UnreachableError where the same call may succeed later; SpecError for a login, a role or a region that is wrong;
    PermanentError for what AWS refuses. The original is its `__cause__`, so that `code(error.__cause__)` is AWS's code.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translated(error, what, safe=safe, hint=hint) from error


def translated(error: ClientError | BotoCoreError, what: str, *, safe: str = "", hint: str = "") -> SlipstreamError:
    """Our error for one of botocore's, for callers that handle some of them themselves."""
    if is_transient(error):
        return _unreachable(error, what, safe, hint)
    if isinstance(error, ClientError):
        return _refused(error, what, safe, hint)
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return UnreachableError(
            f"A login for {what} could not be had from where the connection says: {error}.",
            safe=safe, hint=f"{LOGIN}, and whether that place answers. It is tried again.",
        )  # fmt: skip
    if isinstance(error, _NO_LOGIN):
        return SpecError(f"There is no login for {what}: {error}.", safe=safe, hint=f"{LOGIN}, or give the process a role.")
    if isinstance(error, _NO_REGION):
        return _wrong_region(error, what, safe)
    return PermanentError(f"The request for {what} did not succeed: {error}.", safe=safe, hint=hint)


def _status(error: BaseException) -> int:
    known = error.response.get("ResponseMetadata", {}) if isinstance(error, ClientError) else {}
    return int(known.get("HTTPStatusCode") or 0)


def _words(error: ClientError) -> str:
    """What AWS said, after how many tries."""
    tries = int(error.response.get("ResponseMetadata", {}).get("RetryAttempts") or 0) + 1
    after = f" (asked {tries} times)" if tries > 1 else ""
    return f"{code(error)}: {error.response.get('Error', {}).get('Message', '')}".rstrip(". ") + after


def _unreachable(error: ClientError | BotoCoreError, what: str, safe: str, hint: str) -> SlipstreamError:
    if isinstance(error, boto.EndpointConnectionError) and (region := _no_such_region(str(error))):
        return _wrong_region(error, what, safe, region)
    if is_throttled(error) and isinstance(error, ClientError):
        said, then = f"AWS takes no more requests now, {what} among them: {_words(error)}.", "It is tried again."
    elif isinstance(error, ClientError):
        said, then = f"AWS could not answer for {what}: {_words(error)}.", "It is tried again."
    else:
        said, then = f"AWS did not answer for {what}: {error}".rstrip(".") + ".", f"It is tried again; {LOGIN}: its address."
    return UnreachableError(said, safe=safe, hint=hint or then)


def _refused(error: ClientError, what: str, safe: str, hint: str) -> SlipstreamError:
    seen = code(error)
    noted = error.response.get("Error", {})
    login = f"the Airflow connection {noted[CONNECTION]}" if CONNECTION in noted else f"what {AWS_CONN_ID.name} names"
    if seen in EXPIRED:
        return _expired(error, what, safe, login)
    if error.operation_name in _ROLES:
        return SpecError(
            f"The role for {what} cannot be taken on: {_words(error)}.", safe=safe,
            hint=f"see role_arn, the external id and the login of {login}, and whom the role trusts.",
        )  # fmt: skip
    if seen in _LOGIN:
        return SpecError(f"AWS does not know the login for {what}: {_words(error)}.", safe=safe, hint=f"see {login}.")
    if seen in _CLOCK:
        return SpecError(f"This machine's clock is wrong for {what}: {_words(error)}.", safe=safe, hint="set the clock.")
    if seen in _REGION:
        return _wrong_region(error, what, safe)
    if seen in _DENIED:
        named = _ACTION.search(_words(error))
        action = named["action"] if named else error.operation_name
        return PermanentError(
            f"AWS lets nobody with this login do {action} for {what}: {_words(error)}.", safe=safe,
            hint=f"allow the action {action} to the role or user of {login}, then clear the task.",
        )  # fmt: skip
    if seen in _ABSENT:
        return PermanentError(f"AWS has nothing there for {what}: {_words(error)}.", safe=safe, hint=hint)
    return PermanentError(f"AWS refused {error.operation_name} for {what}: {_words(error)}.", safe=safe, hint=hint)


def _expired(error: ClientError, what: str, safe: str, login: str) -> SlipstreamError:
    safe = safe or "nothing was lost: what was done before is kept."
    if error.response.get("Error", {}).get(RENEWED):
        return UnreachableError(
            f"The login for {what} expired, and is renewed: {_words(error)}.",
            safe=safe,
            hint=f"It is tried again. Else see {login}.",
        )
    return SpecError(
        f"The login for {what} has expired and nothing here can renew it: {_words(error)}.", safe=safe,
        hint=f"put a new one into {login}, or let it take on a role (role_arn), which is renewed; then clear the task.",
    )  # fmt: skip


def _wrong_region(error: Exception, what: str, safe: str, region: str = "") -> SpecError:
    said = _words(error) if isinstance(error, ClientError) else str(error).rstrip(".")
    return SpecError(
        f"The region for {what} is wrong, or none: {said}.", seen=region or None, safe=safe,
        hint=f"set region_name in the extra of the connection: {LOGIN}; or AWS_REGION.",
    )  # fmt: skip


def _no_such_region(words: str) -> str:
    """The region in an address of AWS's that could not be reached, where AWS has none of that name; else empty."""
    found = _HOST.search(words)
    if found is None:
        return ""
    import botocore.session

    session = botocore.session.get_session()
    known = {
        region for partition in session.get_available_partitions() for region in session.get_available_regions("sts", partition)
    }
    return "" if found["region"] in known else found["region"]
