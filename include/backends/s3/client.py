"""An S3 client of a session that the caller has: for tests and benchmarks, whose buckets have no connection."""

from __future__ import annotations

from typing import Any

import boto3

from include.backends.aws.access import SessionAccess


def client_from_session(session: boto3.Session, endpoint_url: str | None = None) -> Any:
    """With the times and the tries of all our clients."""
    return SessionAccess(session, lambda service: endpoint_url).client("s3")
