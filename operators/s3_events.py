"""What S3 says in a queue when an object was written: its own notification, EventBridge's, and either by way of SNS.

Sources: "Event message structure" of the S3 user guide (keys are URL-encoded there, and a bucket that is told of a queue sends
`s3:TestEvent`); "Using EventBridge" of the same (keys are as they are).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

_PARTITION = re.compile(
    r"raw/(?P<model>[^/]+)/(?P<source>[^/]+)/(?:date=(?P<day>\d{4}-\d{2}-\d{2})(?:/time=(?P<time>\d{4}))?|week=(?P<week>\d{4}-W\d{2}))"
    r"/part\.parquet",
    re.ASCII,
)


def read_written(body: str) -> list[str] | None:
    """The addresses `s3://bucket/key` of the objects that a message says were written; none for a removal or a test.

    None for a message of another kind. Whatever it holds, nothing is raised.
    """
    try:
        value = json.loads(body)
        if isinstance(value, dict) and value.get("Type") == "Notification":  # of SNS
            value = json.loads(value["Message"])
        return _written(value) if isinstance(value, dict) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _written(value: Mapping[str, Any]) -> list[str] | None:
    if value.get("Event") == "s3:TestEvent":
        return []
    if isinstance(value.get("Records"), list):
        return list(_of_records(value["Records"]))
    if value.get("source") == "aws.s3":
        detail = value["detail"]
        is_new = value.get("detail-type") == "Object Created"
        return [f"s3://{detail['bucket']['name']}/{detail['object']['key']}"] if is_new else []
    return None


def _of_records(records: list[Any]) -> Iterator[str]:
    for record in records:
        s3 = record["s3"]
        if str(record["eventName"]).removeprefix("s3:").startswith("ObjectCreated:"):
            yield f"s3://{s3['bucket']['name']}/{unquote_plus(s3['object']['key'])}"


def partition_of(address: str, root: str) -> tuple[str, str, str] | None:
    """(model, source, partition) of an object under the storage root that is named as a raw partition; None for any other."""
    found = _PARTITION.fullmatch(address.removeprefix(f"{root}/")) if address.startswith(f"{root}/") else None
    if found is None:
        return None
    time = found["time"]
    return found["model"], found["source"], found["week"] or (f"{found['day']}T{time[:2]}:{time[2:]}" if time else found["day"])
