"""Anchors of the audit chain as objects under Object Lock: until a day nobody can remove or replace them.

    {prefix}/{row, twelve digits}-{that row's hash}.json

The name says all, so that reading is a listing; when it was written, S3's own clock says. The listing is one of *versions*: a
locked object can be hidden below a delete marker or a newer version, and is there all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.backends.s3.bucket import Bucket
from include.core.environment_governance import AUDIT_ANCHOR
from include.core.errors import SpecError
from include.core.ports import AwsAccess
from include.core.time import now, timestamp, zoned
from include.governance.anchors import Anchor, Held

_NAME = re.compile(r"(?P<seq>\d{12,})-(?P<hash>[0-9a-f]{64})\.json")
# What the login needs on the bucket. Without ListBucket S3 says of an object that is not there that it may not be seen.
RIGHTS = (
    "s3:GetBucketObjectLockConfiguration", "s3:PutObject", "s3:PutObjectRetention", "s3:GetObject", "s3:GetObjectRetention",
    "s3:ListBucket", "s3:ListBucketVersions",
)  # fmt: skip
_UNLOCKED = frozenset({"404", "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"})
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_TAKEN = frozenset({"412", "PreconditionFailed"})


class S3Anchors:
    """The port `include.governance.anchors.Place` behind a bucket with Object Lock."""

    readable = True

    def __init__(self, name: str, bucket: Bucket, prefix: str, days: int) -> None:
        self.name, self._bucket, self._days = name, bucket, days
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._retention: dict[str, Any] | None = None

    def write(self, anchor: Anchor) -> bool:
        key = f"{self._prefix}{anchor.seq:012d}-{anchor.hash}.json"
        with self._reaching():
            if self._is_locked(key):
                return False
            lock, body = self._lock(), anchor.line.encode()
            try:
                self._bucket.call("put_object", Key=key, Body=body, IfNoneMatch="*", **lock)
            except ClientError as error:
                if code(error) not in _TAKEN:
                    raise
                if self._is_locked(key):  # another one wrote it at this moment
                    return False
                self._bucket.call("put_object", Key=key, Body=body, **lock)
            return True

    def read(self) -> list[Held]:
        with self._reaching():
            pages = self._bucket.pages("list_object_versions", Prefix=self._prefix)
            versions = [version for page in pages for version in page.get("Versions", ())]
        found: dict[tuple[int, str], Anchor] = {}
        for version in sorted(versions, key=lambda each: zoned(each["LastModified"])):
            if named := _NAME.fullmatch(str(version["Key"]).removeprefix(self._prefix)):
                seq, of = int(named["seq"]), named["hash"]
                found.setdefault((seq, of), Anchor(seq, of, timestamp(zoned(version["LastModified"]))))
        return list(found.values())

    def _lock(self) -> dict[str, Any]:
        """What a write says of its lock; nothing where the bucket's own retention does. Raises SpecError for a bucket without."""
        if self._retention is None:
            self._retention = self._asked()
        if self._retention.get("Rule", {}).get("DefaultRetention"):
            return {}
        until = now() + timedelta(days=self._days)
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}

    def _asked(self) -> dict[str, Any]:
        try:
            answer = self._bucket.call("get_object_lock_configuration")
        except ClientError as error:
            if code(error) not in _UNLOCKED:
                raise
            answer = {}
        said: dict[str, Any] = answer.get("ObjectLockConfiguration") or {}
        if said.get("ObjectLockEnabled") == "Enabled":
            return said
        raise SpecError(
            f"The bucket {self._bucket.name} has no Object Lock: whoever may write there could rewrite the anchors.",
            seen=self.name,
            safe="nothing was written there; the audit chain and its seals are as they were.",
            hint="make a bucket with Object Lock (aws s3api create-bucket --object-lock-enabled-for-bucket ...), or switch it on "
            f"(aws s3api put-object-lock-configuration ...), and name it in {AUDIT_ANCHOR.name}.",
        )

    def _is_locked(self, key: str) -> bool:
        """Whether it stands there and is held: an object that somebody else put there first may be taken away again."""
        try:
            return bool(self._bucket.call("head_object", Key=key).get("ObjectLockMode"))
        except ClientError as error:
            if code(error) in _ABSENT:
                return False
            raise

    def _reaching(self) -> AbstractContextManager[None]:
        return reaching(
            f"the anchors of the audit chain at {self.name}",
            safe="the audit chain and its seals are as they were; the next run tries again.",
            hint=f"the login needs {', '.join(RIGHTS)} there.",
        )


def open_anchors(address: str, aws: AwsAccess, days: int, environ: Mapping[str, str] | None = None) -> S3Anchors:
    """The anchors at `s3://bucket/prefix`."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return S3Anchors(address, Bucket.of(bucket, aws.client("s3"), environ), prefix, days)
