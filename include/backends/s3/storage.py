"""Storage on S3, or anything that speaks it: `s3://bucket/prefix`.

A put is atomic by S3's own promise, so a replace needs no temporary name; `create` is a put with
`If-None-Match: *`, which S3 refuses with 412 to all callers but one. Big files go up in parts and appear
only when the last one is in. Sources: "Conditional writes" and "Data consistency model" in the S3 user guide.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from posixpath import normpath
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError

from include.backends.aws.access import access_of
from include.backends.aws.errors import code, is_denied, is_transient, translated
from include.backends.s3.bucket import Bucket
from include.core.environment_aws import AWS_CONN_ID, S3_BUCKET_OWNER
from include.core.errors import ConflictError, IntegrityError, PermanentError, SpecError
from include.core.ports import AwsAccess
from include.core.scratch import STALE, is_full, storage_full
from include.core.time import zoned

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_TAKEN = frozenset({"412", "PreconditionFailed"})
_RACED = frozenset({"409", "ConditionalRequestConflict"})  # another write of the key was under way: ask again
# What stores say that do not know a header or a way of signing.
_ODD = frozenset({"400", "501", "BadDigest", "InvalidArgument", "InvalidDigest", "InvalidRequest", "MalformedTrailerError",
                  "MissingContentLength", "NotImplemented", "SignatureDoesNotMatch", "UnsupportedHeader",
                  "XAmzContentSHA256Mismatch"})  # fmt: skip
_PROBE = ".slipstream-conditional-writes"
_CHECKED: set[tuple[str, str]] = set()  # endpoints and roots, in this process
_WRITER = "slipstream-writer"
_DELETE_AT_ONCE = 1000  # S3's own limit


class S3Storage:
    """The port `include.core.storage.Storage` behind a boto3 S3 client, which threads may share.

    `environ`: what names the bucket's owner and its key, by default this process's environment.
    """

    def __init__(self, root: str, client: Any, environ: Mapping[str, str] | None = None) -> None:
        scheme, _, rest = root.partition("://")
        bucket, _, prefix = rest.strip("/").partition("/")
        if scheme != "s3" or not bucket:
            raise SpecError("SLIPSTREAM_ROOT must look like s3://bucket/prefix.", seen=root)
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket = Bucket.of(bucket, client, environ)

    @property
    def root(self) -> str:
        return f"s3://{self._bucket.name}/{self._prefix}".rstrip("/")

    def read(self, path: str) -> bytes:
        with self._reaching(path) as key:
            body: bytes = self._bucket.call("get_object", Key=key)["Body"].read()
            return body

    def write(self, path: str, data: bytes) -> None:
        with self._reaching(path) as key:
            self._bucket.call("put_object", Key=key, Body=data)

    def create(self, path: str, data: bytes) -> bool:
        self._check_conditional_writes()
        writer = uuid.uuid4().hex
        for _ in range(8):
            with self._reaching(path) as key:
                try:
                    metadata = {_WRITER: writer}
                    self._bucket.call("put_object", Key=key, Body=data, IfNoneMatch="*", Metadata=metadata)
                    return True
                except ClientError as error:
                    if code(error) in _TAKEN:
                        # The client repeats a put whose answer was lost; then the one in the way is our own.
                        return self._writer(key) == writer
                    if code(error) not in _RACED:
                        raise
        raise ConflictError(f"S3 reported a conflict on {self.uri(path)} eight times.", safe="nothing was written.")

    def _check_conditional_writes(self) -> None:
        """Once a process: that an exclusive create is one here. Raises SpecError for a store that overwrites all the same.

        An object of its own stays for it, which no listing shows: from the second process on this is one refused put.
        """
        place = (self._bucket.address, self.root)
        if place in _CHECKED:
            return
        with self._reaching(_PROBE) as key:
            for _ in range(2):  # the first may be the one that makes it
                try:
                    self._bucket.call("put_object", Key=key, Body=b"", IfNoneMatch="*")
                except ClientError as error:
                    if code(error) in _TAKEN | _RACED:
                        _CHECKED.add(place)
                        return
                    if code(error) in _ODD and self._takes_plain_writes(key):
                        raise self._no_conditional_writes("refuses", place) from error
                    raise
        raise self._no_conditional_writes("ignores", place)

    def _takes_plain_writes(self, key: str) -> bool:
        """Whether the same object goes in without the condition: then it is the condition that the store does not know."""
        try:
            self._bucket.call("put_object", Key=key, Body=b"")
        except ClientError:
            return False
        return True

    def _no_conditional_writes(self, how: str, place: tuple[str, str]) -> SpecError:
        ofs = {
            "ignores": "of two who create one object both are told they were first",
            "refuses": "no object can be created once",
        }
        return SpecError(
            f"The S3 store at {place[0]} {how} If-None-Match: {ofs[how]}.",
            seen=self.root,
            safe="nothing of ours was overwritten: it was tried on an object made for that.",
            hint="use a store with conditional writes (AWS S3, MinIO, Ceph from Squid on), or its setting that turns them on; "
            "then clear the task.",
        )

    def upload(self, source: Path, path: str) -> None:
        with self._reaching(path) as key:
            self._bucket.upload(str(source), key)

    def fetch(self, path: str, scratch: Path) -> Path:
        # A folder of its own keeps the file's name, and callers of one scratch folder apart.
        folder = scratch / uuid.uuid4().hex
        folder.mkdir(parents=True)
        partial, final = folder / ".partial", folder / Path(path).name
        try:
            with self._reaching(path) as key:
                self._bucket.download(key, str(partial))
            os.replace(partial, final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return final

    def exists(self, path: str) -> bool:
        with self._reaching(path) as key:
            return self._is_file(key) or next(self._below(key), None) is not None

    def list(self, prefix: str) -> Iterator[str]:
        with self._reaching(prefix) as key:
            paths = [found.removeprefix(self._prefix) for found in self._below(key)]
        yield from sorted(paths, key=lambda path: path.split("/"))  # as a tree of folders sorts

    def changed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        for path, entry in self._entries(prefix):
            yield path, zoned(entry["LastModified"])

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        for path, entry in self._entries(prefix):
            yield path, int(entry["Size"])

    def _entries(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """What a listing says of each path below a folder, sorted as `list` sorts."""
        with self._reaching(prefix) as key:
            folder = f"{key.rstrip('/')}/" if key else ""
            pages = self._bucket.pages("list_objects_v2", Prefix=folder)
            found = {entry["Key"]: entry for page in pages for entry in page.get("Contents", ())}
        found.pop(self._prefix + _PROBE, None)
        for key in sorted(found, key=lambda each: each.split("/")):
            yield key.removeprefix(self._prefix), found[key]

    def delete(self, prefix: str) -> None:
        with self._reaching(prefix) as key:
            keys = [*([key] if key != self._prefix else []), *self._below(key)]
            for start in range(0, len(keys), _DELETE_AT_ONCE):
                batch = [{"Key": found} for found in keys[start : start + _DELETE_AT_ONCE]]
                self._bucket.call("delete_objects", Delete={"Objects": batch, "Quiet": True})

    def sweep(self, prefix: str) -> None:
        """Parts of uploads that were begun a day ago and never finished: their writers are gone."""
        with self._reaching(prefix) as key:
            found = self._bucket.call("list_multipart_uploads", Prefix=key).get("Uploads", ())
            for upload in found:
                if time.time() - upload["Initiated"].timestamp() > STALE:
                    self._bucket.call("abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])

    def uri(self, path: str) -> str:
        return f"s3://{self._bucket.name}/{self._key(path)}".rstrip("/")

    # -- how it is done --------------------------------------------------------------------------------

    def _key(self, path: str) -> str:
        clean = normpath(path) if path else "."
        if path.startswith("/") or clean.split("/")[0] == "..":
            raise ValueError(f"path {path!r} leaves the storage root {self.root}")
        return self._prefix if clean == "." else self._prefix + clean

    def _is_file(self, key: str) -> bool:
        try:
            self._writer(key)
        except ClientError as error:
            if code(error) in _ABSENT:
                return False
            raise
        return True

    def _writer(self, key: str) -> str | None:
        """Who created the object of that key, if it was created exclusively."""
        metadata: dict[str, str] = self._bucket.call("head_object", Key=key)["Metadata"]
        return metadata.get(_WRITER)

    def _below(self, key: str) -> Iterator[str]:
        folder = f"{key.rstrip('/')}/" if key else ""
        pages = self._bucket.pages("list_objects_v2", Prefix=folder)
        found = (entry["Key"] for page in pages for entry in page.get("Contents", ()))
        return (key for key in found if key != self._prefix + _PROBE)

    @contextmanager
    def _reaching(self, path: str) -> Iterator[str]:
        """The key of a path, and the errors of Slipstream in place of botocore's."""
        key = self._key(path)
        try:
            yield key
        except FlexibleChecksumError as error:
            raise IntegrityError(
                f"{self.uri(path)} came with other bytes than its checksum was made of.", seen=str(error),
                safe="what is stored is untouched, and nothing that was read is used.",
                hint="clear the task; if it comes back, restore the object from the bucket's versions or a backup.",
            ) from error  # fmt: skip
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, path) from error
        except OSError as error:
            if is_full(error):
                size = self._bucket.call("head_object", Key=key)["ContentLength"]
                raise storage_full(Path(error.filename or tempfile.gettempdir()), size, f"{self.uri(path)}: ") from error
            raise

    def _translated(self, error: ClientError | BotoCoreError, path: str) -> Exception:
        uri, safe = self.uri(path), "what was stored is untouched."
        if code(error) in _ABSENT:
            return FileNotFoundError(uri)
        if is_transient(error):
            return translated(error, f"{uri} at {self._bucket.address}", safe=safe, hint=f"{_SETTINGS} The task is retried.")
        if is_denied(error) and self._bucket.is_anothers():
            return SpecError(
                f"The bucket {self._bucket.name} does not belong to the account that {S3_BUCKET_OWNER.name} names.",
                seen=self._bucket.owner, safe="nothing was written to it or read from it.",
                hint=f"correct SLIPSTREAM_ROOT, or {S3_BUCKET_OWNER.name}: `aws sts get-caller-identity` with the owner's login.",
            )  # fmt: skip
        if code(error) in _ODD:
            return PermanentError(f"S3 refused {uri}: {error}.", safe=safe, hint=_CHECKSUMS)
        return translated(error, uri, safe=safe, hint=_SETTINGS)


_SETTINGS = f"check AWS_ENDPOINT_URL, or the Airflow connection that {AWS_CONN_ID.name} names."


_CHECKSUMS = (
    "a store that is not AWS may refuse the checksums that boto3 sends: set AWS_REQUEST_CHECKSUM_CALCULATION=when_required "
    f"and AWS_RESPONSE_CHECKSUM_VALIDATION=when_required for every process. Else {_SETTINGS}"
)


def open_storage(root: str, environ: Mapping[str, str] | None = None, aws: AwsAccess | None = None) -> S3Storage:
    """The storage behind `root`, reached by `aws`, by default with the connection of that environment."""
    return S3Storage(root, (aws or access_of(environ)).client("s3"), environ)
