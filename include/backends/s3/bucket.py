"""One bucket: what goes with every request of it (its owner, the key it is encrypted by, checksums) stands here alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from include.core.environment import ROOT
from include.core.environment_aws import S3_BUCKET_OWNER, S3_KMS_KEY

CHECKSUM = "SHA256"
_WRITES = frozenset({"put_object"})  # of those that `call` is asked for
_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=4)


class Bucket:
    """`owner`: the number of the account that it must belong to, else every request is refused; `kms_key`: the id, ARN or alias
    of the key that its objects are encrypted by; empty: whoever owns it, and as the bucket itself says."""

    def __init__(self, name: str, client: Any, owner: str = "", kms_key: str = "") -> None:
        self.name, self.client, self.owner = name, client, owner
        self._owned = {"ExpectedBucketOwner": owner} if owner else {}
        self._sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}

    @classmethod
    def of(cls, name: str, client: Any, environ: Mapping[str, str] | None = None) -> Bucket:
        """With the owner and the key that the settings name for the bucket of SLIPSTREAM_ROOT; another bucket has neither."""
        root = ROOT.read(environ)
        if root.startswith("s3://") and root.removeprefix("s3://").partition("/")[0] != name:
            return cls(name, client)
        return cls(name, client, S3_BUCKET_OWNER.read(environ).strip(), S3_KMS_KEY.read(environ).strip())

    @property
    def address(self) -> str:
        """Where the store is."""
        return str(self.client.meta.endpoint_url)

    def call(self, operation: str, **params: Any) -> Any:
        """What S3 answers. Raises botocore's errors."""
        standing = {**self._owned, **(self._written if operation in _WRITES else {})}
        return getattr(self.client, operation)(Bucket=self.name, **standing, **params)

    def pages(self, operation: str, **params: Any) -> Iterator[Any]:
        return iter(self.client.get_paginator(operation).paginate(Bucket=self.name, **self._owned, **params))

    def upload(self, path: str, key: str) -> None:
        """Big files go in parts, and are there when the last one is in."""
        self.client.upload_file(path, self.name, key, ExtraArgs={**self._owned, **self._written}, Config=_TRANSFER)

    def download(self, key: str, path: str) -> None:
        self.client.download_file(self.name, key, path, ExtraArgs=self._owned, Config=_TRANSFER)

    def is_anothers(self) -> bool:
        """Whether the bucket can be reached, but for its owner."""
        return bool(self._owned) and self._answers({}) and not self._answers(self._owned)

    def _answers(self, owned: Mapping[str, str]) -> bool:
        try:
            self.client.head_bucket(Bucket=self.name, **owned)
        except ClientError:
            return False
        return True

    @property
    def _written(self) -> dict[str, Any]:
        """What a write has. A store that was said to take no checksums is sent none: see AWS_REQUEST_CHECKSUM_CALCULATION."""
        config = getattr(self.client.meta, "config", None)
        wanted = getattr(config, "request_checksum_calculation", None) != "when_required"
        return {**self._sealed, **({"ChecksumAlgorithm": CHECKSUM} if wanted else {})}
