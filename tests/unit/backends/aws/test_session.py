"""Logins that last: a role is taken on when it is needed and again before its end, an expired login is renewed at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from include.backends.aws.access import SessionAccess, open_connection
from include.backends.aws.connection import AwsConnection
from include.backends.aws.errors import reaching
from include.backends.aws.session import open_session
from include.core.connection import parse
from include.core.errors import SpecError, UnreachableError
from include.core.time import now
from tests.support.s3_server import moto_server

ROLE = "arn:aws:iam::123456789012:role/lake"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


def connection(address: str, key: str = "AKIA1", **extra: Any) -> AwsConnection:
    given = {"conn_type": "aws", "login": key, "password": "secret"}
    places = {"region_name": "eu-west-1", "endpoint_url": address, "service_config": {"sts": {"endpoint_url": address}}}
    return AwsConnection("lake", parse(json.dumps({**given, "extra": {**places, **extra}})))


def key_of(access: SessionAccess) -> str:
    return str(access.session.get_credentials().get_frozen_credentials().access_key)


class Answers:
    """Answers a client's requests in the place of AWS, as long as it has answers; remembers whose login each was signed by."""

    def __init__(self, client: Any, *answers: tuple[int, str]) -> None:
        self.left, self.signed = list(answers), list[str]()
        client.meta.events.register_first("before-send", self)

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        signed = request.headers["Authorization"]
        self.signed.append((signed if isinstance(signed, str) else signed.decode()).partition("Credential=")[2].partition("/")[0])
        if not self.left:
            return None
        status, code = self.left.pop(0)
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>".encode()
        return Answer(request.url, status, body)


class Answer(AWSResponse):  # type: ignore[misc, unused-ignore]
    def __init__(self, url: str, status: int, body: bytes) -> None:
        super().__init__(url, status, {}, None)
        self._content = body


def test_a_role_is_taken_on_when_it_is_needed_and_again_before_its_end(address: str) -> None:
    access = open_connection(connection(address, role_arn=ROLE))
    credentials = access.session.get_credentials()
    assert credentials._frozen_credentials is None, "nothing was asked yet"
    first = key_of(access)
    assert key_of(access) == first
    credentials._expiry_time = now() + timedelta(minutes=9)
    assert key_of(access) != first


def test_a_login_that_aws_calls_expired_is_renewed_and_the_request_is_sent_again(address: str) -> None:
    client = open_connection(connection(address, role_arn=ROLE)).client("sts")
    answers = Answers(client, (403, "ExpiredToken"))
    assert ":assumed-role/lake/" in client.get_caller_identity()["Arn"]
    first, second = answers.signed
    assert first != second


def test_one_that_stays_expired_is_tried_again_later_and_one_that_cannot_be_renewed_names_the_connection(address: str) -> None:
    client = open_connection(connection(address, role_arn=ROLE)).client("sts")
    Answers(client, *[(403, "ExpiredToken")] * 2)
    with pytest.raises(UnreachableError, match="connection lake"), reaching("x"):
        client.get_caller_identity()
    plain = open_connection(connection(address, aws_session_token="t")).client("sts")
    Answers(plain, (403, "ExpiredToken"))
    with pytest.raises(SpecError, match=r"(?s)nothing here can renew it.*nothing was lost.*connection lake"), reaching("x"):
        plain.get_caller_identity()


def test_throttling_is_waited_for_and_then_the_kernels_to_retry(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", waited.append)
    client = open_connection(connection(address)).client("sts")
    Answers(client, *[(400, "Throttling")] * 2)
    assert client.get_caller_identity()["Account"] == "123456789012"
    Answers(client, *[(400, "Throttling")] * 9)
    with pytest.raises(UnreachableError, match=r"asked 5 times"), reaching("x"):
        client.get_caller_identity()
    assert len(waited) == 2 + 4


def test_a_role_that_cannot_be_taken_on_names_the_role_and_the_connection(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    made: list[Answers] = []
    monkeypatch.setattr(
        "include.backends.aws.session.note_connection", lambda client, name: made.append(Answers(client, (403, "AccessDenied")))
    )
    client = open_connection(connection(address, role_arn=ROLE)).client("sts")
    with pytest.raises(SpecError, match=rf"(?s){ROLE}.*lake.*cannot be taken on.*external id"):
        client.get_caller_identity()
    assert len(made) == 1


def test_a_token_file_that_is_not_there_is_named(address: str) -> None:
    more = {"assume_role_method": "assume_role_with_web_identity", "assume_role_with_web_identity_federation": "file"}
    given = connection(address, role_arn=ROLE, assume_role_with_web_identity_token_file="/no/such", **more)
    with pytest.raises(SpecError, match=r"/no/such"):
        open_connection(given).client("sts").get_caller_identity()


def test_keys_of_a_rotated_secret_are_read_anew_and_kept_while_nobody_answers(address: str) -> None:
    held = [connection(address, "AKIA1"), connection(address, "AKIA2")]

    def read() -> AwsConnection:
        if not held:
            raise UnreachableError("Secrets Manager is away.")
        return held.pop(0)

    session = open_session(connection(address, "AKIA1"), {}, read, seconds=60)
    credentials = session.get_credentials()
    seen = []
    for _ in range(3):
        seen.append(credentials.get_frozen_credentials().access_key)
        assert not credentials.refresh_needed()
        credentials._expiry_time -= timedelta(seconds=61)
    assert seen == ["AKIA1", "AKIA2", "AKIA2"]
