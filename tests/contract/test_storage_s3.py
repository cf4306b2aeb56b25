"""S3 alone: large files, lost answers, what is wrong with an address or a store that only looks like S3."""

from __future__ import annotations

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.backends import get_backend

from include.backends.s3 import storage as s3
from include.backends.s3.client import client_from_session
from include.backends.s3.storage import S3Storage, open_storage
from include.core.errors import IntegrityError, PermanentError, SpecError, UnreachableError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.settings import Settings
from tests.support.s3_server import CREDENTIALS


def test_a_big_file_goes_in_parts_and_comes_back_whole(s3_client: object, tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.write_bytes(os.urandom(1 << 20) * 33)
    storage = S3Storage("s3://slipstream/big", s3_client)
    storage.upload(source, "big")
    fetched = storage.fetch("big", tmp_path / "scratch")
    assert hashlib.sha256(fetched.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    assert "-" in s3_client.head_object(Bucket="slipstream", Key="big/big")["ETag"]  # type: ignore[attr-defined]


def test_list_and_delete_see_more_than_one_page(s3_client: object) -> None:
    storage = S3Storage("s3://slipstream/pages", s3_client)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: storage.write(f"many/{n:04}", b""), range(1001)))
    assert list(storage.list("many")) == [f"many/{n:04}" for n in range(1001)]
    storage.delete("many")
    assert list(storage.list("many")) == []


def test_a_repeated_put_whose_answer_was_lost_still_won(s3_client: object) -> None:
    class LosesTheAnswer:
        def __getattr__(self, name: str) -> object:
            return getattr(s3_client, name)

        def put_object(self, **kwargs: object) -> object:
            for _ in range(2):  # what botocore does when the connection breaks after the put
                answer = s3_client.put_object(**kwargs)  # type: ignore[attr-defined]
            return answer

    storage = S3Storage("s3://slipstream/lost", LosesTheAnswer())
    assert storage.create("a", b"mine")
    assert not storage.create("a", b"another's")
    assert storage.read("a") == b"mine"


def test_unreachable_s3_names_the_address_and_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr("include.backends.aws.access.CONFIG", Config(retries={"total_max_attempts": 1}))
    with pytest.raises(UnreachableError, match=r"(?s)http://127\.0\.0\.1:9.*AWS_ENDPOINT_URL"):
        open_storage("s3://bucket/prefix").read("a")


def test_a_missing_bucket_is_permanent_and_named(s3_client: object) -> None:
    with pytest.raises(PermanentError, match="NoSuchBucket"):
        S3Storage("s3://no-such-bucket", s3_client).write("a", b"")


def test_no_credentials_is_permanent_and_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, s3_address: str, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    with pytest.raises(SpecError, match="SLIPSTREAM_AWS_CONN_ID"):
        open_storage("s3://slipstream").read("a")


def test_the_airflow_connection_gives_credentials_and_address(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_AWS_CONN_ID", "lake")
    endpoint = s3_address.replace(":", "%3A").replace("/", "%2F")
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", f"aws://AKIA:se%2Fcret@/?region_name=eu-west-1&endpoint_url={endpoint}")
    client = open_storage("s3://bucket")._bucket.client
    assert client.meta.endpoint_url == s3_address
    assert client.meta.region_name == "eu-west-1"
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("AKIA", "se/cret")


def test_settings_open_their_root_with_their_own_login_and_not_with_the_process(s3_address: str) -> None:
    uri = f"aws://of-the-settings:secret@/?region_name=eu-west-1&endpoint_url={s3_address}"
    storage = Settings.from_env({"SLIPSTREAM_ROOT": "s3://bucket", "AIRFLOW_CONN_AWS_DEFAULT": uri}).storage()
    assert isinstance(storage, S3Storage)
    assert storage._bucket.client._request_signer._credentials.access_key == "of-the-settings"


@pytest.mark.parametrize("root", ["s3://", "gs://bucket", "bucket/prefix"])
def test_a_root_that_is_no_bucket_is_refused(root: str) -> None:
    with pytest.raises(SpecError, match="s3://bucket/prefix"):
        S3Storage(root, None)


class Lookalike:
    """A client of a store that speaks S3, nearly: it drops a header, or refuses a kind of call."""

    def __init__(
        self, client: object, drops: str = "", refuses: str = "", code: str = "NotImplemented", refuses_condition: str = ""
    ) -> None:
        self.client, self.drops, self.refuses, self.code = client, drops, refuses, code
        self.refuses_condition = refuses_condition
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> object:
        found = getattr(self.client, name)
        if not callable(found):
            return found

        def call(*args: object, **kwargs: object) -> object:
            self.calls.append(name)
            if name == self.refuses:
                raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, name)
            if self.refuses_condition and "IfNoneMatch" in kwargs:
                raise ClientError({"Error": {"Code": self.refuses_condition, "Message": "no"}}, name)
            kwargs.pop(self.drops, None)
            return found(*args, **kwargs)

        return call


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not looked yet."""
    monkeypatch.setattr(s3, "_CHECKED", set())


@pytest.mark.usefixtures("unchecked")
def test_a_store_that_ignores_conditional_writes_is_refused_before_anything_is_overwritten(s3_client: object) -> None:
    S3Storage("s3://slipstream/like", s3_client).write("mine", b"first")
    storage = S3Storage("s3://slipstream/like", Lookalike(s3_client, drops="IfNoneMatch"))
    for _ in range(2):
        with pytest.raises(SpecError, match=r"(?s)ignores If-None-Match.*store with conditional writes"):
            storage.create("mine", b"second")
    assert storage.read("mine") == b"first"
    assert list(storage.list("")) == ["mine"]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("code", ["NotImplemented", "501", "InvalidArgument"])
def test_a_store_that_refuses_the_condition_alone_is_reported_so_and_not_of_checksums(s3_client: object, code: str) -> None:
    storage = S3Storage("s3://slipstream/old", Lookalike(s3_client, refuses_condition=code))
    with pytest.raises(
        SpecError, match=r"(?s)refuses If-None-Match: no object can be created once.*store with conditional writes"
    ):
        storage.create("mine", b"x")
    assert list(storage.list("")) == []


@pytest.mark.usefixtures("unchecked")
def test_the_look_for_conditional_writes_costs_one_call_a_process_and_never_shows(s3_client: object) -> None:
    client = Lookalike(s3_client)
    storage = S3Storage("s3://slipstream/once", client)
    assert storage.create("a", b"")
    assert storage.create("b", b"")
    assert client.calls.count("put_object") == 4  # two for the first process ever
    assert list(storage.list("")) == ["a", "b"]
    s3._CHECKED.clear()
    client.calls.clear()
    assert S3Storage("s3://slipstream/once", client).create("c", b"")
    assert client.calls.count("put_object") == 2


@pytest.mark.parametrize("code", ["InvalidArgument", "NotImplemented", "XAmzContentSHA256Mismatch"])
def test_a_store_that_refuses_checksums_names_the_setting(s3_client: object, code: str) -> None:
    storage = S3Storage("s3://slipstream/sums", Lookalike(s3_client, refuses="put_object", code=code))
    with pytest.raises(PermanentError, match="AWS_REQUEST_CHECKSUM_CALCULATION=when_required"):
        storage.write("a", b"x")


def test_a_store_without_lists_of_uploads_fails_no_work_that_is_done(
    s3_client: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(S3Storage("s3://slipstream/tidy", Lookalike(s3_client, refuses="list_multipart_uploads")))
    request = Request("train", "x:y", "m", {"n": 1})
    (tmp_path / "out").write_text("1")
    attempt = ledger.open_attempt(request.key, 0)
    result = ledger.commit(request, attempt, Outcome({"n": 1}, {"out": tmp_path / "out"}), 0.1)
    assert ledger.verify(result) == []
    assert "not cleared away" in caplog.text


class Sent:
    """What a client sends, by the operation."""

    def __init__(self, client: object) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        client.meta.events.register("before-send.s3", self)  # type: ignore[attr-defined]

    def __call__(self, request: Any, event_name: str, **_: object) -> None:
        headers = {name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        self.requests.append((event_name.rpartition(".")[2], request.url, headers))

    def with_header(self, name: str) -> set[str]:
        return {operation for operation, _, headers in self.requests if name in headers}


@pytest.mark.usefixtures("s3_client")  # it makes the bucket
def test_owner_key_and_checksum_go_with_every_request_that_takes_them(s3_address: str, tmp_path: Path) -> None:
    client = client_from_session(boto3.Session(**CREDENTIALS), s3_address)
    sent = Sent(client)
    owned = {"SLIPSTREAM_ROOT": "s3://slipstream", "SLIPSTREAM_S3_BUCKET_OWNER": "123456789012", "SLIPSTREAM_S3_KMS_KEY": "mine"}
    storage = S3Storage("s3://slipstream/owned", client, owned)
    (tmp_path / "big").write_bytes(b"x" * (17 << 20))
    storage.upload(tmp_path / "big", "big")
    assert storage.create("a", b"a")
    storage.write("b", b"b")
    assert storage.read("b") == b"b"
    assert storage.fetch("big", tmp_path / "scratch").stat().st_size == 17 << 20
    assert storage.exists("b")
    assert [path for path, _ in storage.sizes("")] == ["a", "b", "big"]
    storage.sweep("")
    storage.delete("")
    every = {operation for operation, _, _ in sent.requests}
    assert every == sent.with_header("x-amz-expected-bucket-owner")
    assert sent.with_header("x-amz-server-side-encryption-aws-kms-key-id") == {"PutObject", "CreateMultipartUpload"}
    assert sent.with_header("x-amz-checksum-sha256") | {"CreateMultipartUpload"} >= {"PutObject", "UploadPart"}
    assert all(op in every for op in ("HeadObject", "ListObjectsV2", "DeleteObjects", "ListMultipartUploads", "GetObject"))
    client.create_bucket(Bucket="other")
    sent.requests.clear()
    S3Storage("s3://other", client, owned).exists("a")
    assert sent.with_header("x-amz-expected-bucket-owner") == set(), "the owner is of the root's bucket"


def test_an_object_has_its_checksum_and_one_that_comes_otherwise_is_not_used(s3_client: Any) -> None:
    storage = S3Storage("s3://slipstream/sums", s3_client)
    storage.write("a", b"right")
    held = s3_client.head_object(Bucket="slipstream", Key="sums/a", ChecksumMode="ENABLED")
    assert held["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"right").digest()).decode()

    store: Any = get_backend("s3")["123456789012"]["aws"]
    store.buckets["slipstream"].keys["sums/a"].checksum_value = base64.b64encode(bytes(32)).decode()
    with pytest.raises(IntegrityError, match="other bytes"):
        storage.read("a")


@pytest.mark.usefixtures("s3_client")  # it makes the bucket
def test_a_store_that_takes_no_checksums_is_sent_none(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    client = client_from_session(boto3.Session(**CREDENTIALS), s3_address)
    sent = Sent(client)
    S3Storage("s3://slipstream/plain", client).write("a", b"a")
    assert not any(
        name.startswith(("x-amz-checksum", "x-amz-sdk-checksum")) for _, _, headers in sent.requests for name in headers
    )


@pytest.mark.usefixtures("s3_client")  # it makes the bucket
def test_a_bucket_of_another_account_is_refused_by_name(s3_address: str) -> None:
    client = client_from_session(boto3.Session(**CREDENTIALS), s3_address)

    def refuse(params: Any, **_: object) -> None:  # moto does not look at it
        if "ExpectedBucketOwner" in params:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")

    client.meta.events.register("before-parameter-build.s3", refuse)
    owned = {"SLIPSTREAM_S3_BUCKET_OWNER": "999999999999"}
    with pytest.raises(SpecError, match=r"(?s)slipstream does not belong.*999999999999.*nothing was written"):
        S3Storage("s3://slipstream/owned", client, owned).write("a", b"")


def test_a_permission_that_is_missing_is_not_taken_for_another_owner(s3_client: object) -> None:
    denied = Lookalike(s3_client, refuses="put_object", code="AccessDenied")
    storage = S3Storage("s3://slipstream/owned", denied, {"SLIPSTREAM_S3_BUCKET_OWNER": "123456789012"})
    with pytest.raises(PermanentError, match=r"allow the action put_object"):
        storage.write("a", b"")
