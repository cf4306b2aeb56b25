"""One suite for every storage: the folder, and S3 against moto's server."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from include.backends.s3 import storage as s3
from include.backends.s3.client import client_from_session
from include.backends.s3.storage import S3Storage, open_storage
from include.core.errors import PermanentError, SpecError, StorageFullError, UnreachableError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.storage import LocalStorage, Storage

CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3_client(s3_address: str) -> object:
    client = client_from_session(boto3.Session(**CREDENTIALS), s3_address)
    client.create_bucket(Bucket="slipstream")
    return client


@pytest.fixture(params=["local", "s3", "s3 without a prefix"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "store")
    client = request.getfixturevalue("s3_client")
    name = f"b-{uuid.uuid4().hex[:12]}"
    if request.param == "s3":
        return S3Storage(f"s3://slipstream/{name}/store", client)
    client.create_bucket(Bucket=name)
    return S3Storage(f"s3://{name}", client)


def test_what_is_written_is_read(storage: Storage) -> None:
    storage.write("a/b.bin", b"\x00\xff")
    assert storage.read("a/b.bin") == b"\x00\xff"
    assert storage.exists("a/b.bin")


def test_write_replaces(storage: Storage) -> None:
    storage.write("a", b"old, and longer")
    storage.write("a", b"new")
    assert storage.read("a") == b"new"


def test_readers_see_old_or_new_bytes_never_a_mixture(storage: Storage) -> None:
    versions = [bytes([n]) * 200_000 for n in range(6)]
    storage.write("a", versions[0])

    def replace(data: bytes) -> bytes:
        storage.write("a", data)
        return storage.read("a")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(replace, versions * 3)) <= set(versions)


def test_reading_what_is_not_there_is_file_not_found(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read("nothing")
    with pytest.raises(FileNotFoundError):
        storage.fetch("nothing", tmp_path)
    assert not storage.exists("nothing")


def test_create_refuses_to_replace(storage: Storage) -> None:
    assert storage.create("a/x.json", b"first")
    assert not storage.create("a/x.json", b"second")
    assert storage.read("a/x.json") == b"first"


def test_of_sixteen_creators_exactly_one_succeeds(storage: Storage) -> None:
    for round_ in range(3):
        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(lambda n: storage.create(f"race/{round_}", str(n).encode()), range(16)))  # noqa: B023
        assert won.count(True) == 1
        assert storage.read(f"race/{round_}") == str(won.index(True)).encode()


def test_each_path_has_the_time_of_its_last_write(storage: Storage) -> None:
    storage.write("a/b", b"1")
    storage.write("a-c", b"1")
    storage.write("a/a/c", b"1")
    ((first, at), (second, _)) = storage.changed("a")
    assert (first, second) == ("a/a/c", "a/b")
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    assert list(storage.changed("nothing")) == []


def test_upload_and_fetch_carry_a_file(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(os.urandom(100_000))
    storage.upload(source, "models/model.onnx")
    fetched = storage.fetch("models/model.onnx", tmp_path / "scratch")
    assert fetched.name == "model.onnx"
    assert fetched.read_bytes() == source.read_bytes()
    assert source.exists()


def test_upload_replaces(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "f"
    for content in (b"old", b"new"):
        source.write_bytes(content)
        storage.upload(source, "f")
    assert storage.read("f") == b"new"


def test_files_of_one_name_do_not_meet_in_scratch(storage: Storage, tmp_path: Path) -> None:
    storage.write("day=1/part.parquet", b"one")
    storage.write("day=2/part.parquet", b"two")
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda n: storage.fetch(f"day={n}/part.parquet", tmp_path), (1, 2)))
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]


def test_list_is_sorted_as_folders_are(storage: Storage) -> None:
    for path in ("p/b", "p/a/z", "p/a-1/y", "p/a.txt", "q/c", "p2/d"):
        storage.write(path, b"")
    assert list(storage.list("p")) == ["p/a/z", "p/a-1/y", "p/a.txt", "p/b"]
    assert list(storage.list("")) == ["p/a/z", "p/a-1/y", "p/a.txt", "p/b", "p2/d", "q/c"]
    assert list(storage.list("absent")) == []


def test_delete_takes_a_file_or_a_folder_and_no_neighbour(storage: Storage) -> None:
    for path in ("run/1/a", "run/1/b", "run/10", "run/1.end"):
        storage.write(path, b"")
    storage.delete("run/1")
    assert list(storage.list("")) == ["run/1.end", "run/10"]
    storage.delete("run/10")
    storage.delete("run/10")
    assert list(storage.list("")) == ["run/1.end"]


@pytest.mark.parametrize("path", ["../outside", "a/../../outside", "/etc/passwd", ".."])
def test_a_path_that_leaves_the_root_is_refused(storage: Storage, path: str, tmp_path: Path) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: storage.read(path),
        lambda: storage.write(path, b""),
        lambda: storage.create(path, b""),
        lambda: storage.upload(Path(__file__), path),
        lambda: storage.fetch(path, tmp_path),
        lambda: storage.exists(path),
        lambda: list(storage.list(path)),
        lambda: storage.delete(path),
    ]
    for verb in verbs:
        with pytest.raises(ValueError, match="leaves the storage root"):
            verb()


def test_uri_names_the_place_under_the_root(storage: Storage) -> None:
    assert storage.uri("a/b") == f"{storage.root}/a/b"


# -- the folder only ---------------------------------------------------------------------------------------


def test_temporary_files_never_show(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write("a/b", b"")
    (tmp_path / "a" / ".tmp-deadbeef").write_bytes(b"half of something")
    assert list(storage.list("")) == ["a/b"]


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "store")
    storage.write("a", b"")
    (tmp_path / "store" / "out").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leaves the storage root"):
        storage.write("out/x", b"")


@pytest.mark.parametrize("verb", ["write", "create", "upload"])
def test_disk_full_keeps_the_old_bytes_and_names_path_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    storage = LocalStorage(tmp_path / "store")
    storage.write("keep", b"old")
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1234)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    target = "fresh" if verb == "create" else "keep"
    with pytest.raises(StorageFullError, match=rf"{target} \(1234 bytes needed\)"):
        storage.upload(source, target) if verb == "upload" else getattr(storage, verb)(target, b"x" * 1234)
    assert storage.read("keep") == b"old"
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["keep"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    able = os.geteuid() == 0 and shutil.which("mount") is not None
    if not able or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_keeps_the_old_bytes(small_disk: Path) -> None:
    storage = LocalStorage(small_disk)
    storage.write("part", b"old")
    with pytest.raises(StorageFullError, match="400000 bytes needed"):
        storage.write("part", b"x" * 400_000)
    assert storage.read("part") == b"old"
    assert list(small_disk.iterdir()) == [small_disk / "part"]


# -- S3 only -----------------------------------------------------------------------------------------------


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
    monkeypatch.setattr("include.backends.s3.client.CONFIG", Config(retries={"total_max_attempts": 1}))
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
    client = open_storage("s3://bucket")._client
    assert client.meta.endpoint_url == s3_address
    assert client.meta.region_name == "eu-west-1"
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("AKIA", "se/cret")


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
def test_a_store_that_refuses_the_condition_alone_is_told_so_and_not_of_checksums(s3_client: object, code: str) -> None:
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
