"""One suite for every storage: the folder, and S3 against moto's server."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.backends.s3.storage import S3Storage
from include.core.errors import StorageFullError
from include.core.storage import LocalStorage, Storage


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


def test_the_server_that_stands_for_s3_looks_and_writes_in_one(s3_client: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between moto's look and its write the others look: what made the race above fail one time in hundreds."""
    from moto.s3.models import S3Backend

    write = S3Backend.put_object

    def later(*args: Any, **options: Any) -> Any:
        time.sleep(0.02)
        return write(*args, **options)

    store = S3Storage("s3://slipstream/looks", s3_client)
    store.create("probed", b"")
    monkeypatch.setattr(S3Backend, "put_object", later)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda n: store.create("race", str(n).encode()), range(8))) == 1


def test_each_path_has_the_time_of_its_last_write(storage: Storage) -> None:
    storage.write("a/b", b"1")
    storage.write("a-c", b"1")
    storage.write("a/a/c", b"1")
    ((first, at), (second, _)) = storage.changed("a")
    assert (first, second) == ("a/a/c", "a/b")
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    assert list(storage.changed("nothing")) == []


def test_each_path_has_its_bytes(storage: Storage) -> None:
    storage.write("a/b", b"12345")
    storage.write("a-c", b"1")
    storage.write("a/a/c", b"")
    assert list(storage.sizes("a")) == [("a/a/c", 0), ("a/b", 5)]
    assert dict(storage.sizes("")) == {"a-c": 1, "a/a/c": 0, "a/b": 5}
    assert [path for path, _ in storage.changed("")] == list(storage.list(""))
    assert list(storage.sizes("nothing")) == []


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
