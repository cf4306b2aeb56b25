"""What a message of S3's says was written, in each of its forms; and no message raises."""

from __future__ import annotations

import json
from typing import Any

import pytest

from operators.s3_events import partition_of, read_written

KEY = "x/raw/shop/orders/date=2013-01-01/part.parquet"
WRITTEN = f"s3://slipstream/{KEY}"


def notification(*keys: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    """As S3 writes it, its keys URL-encoded."""
    return {
        "Records": [
            {"eventSource": "aws:s3", "eventName": event, "s3": {"bucket": {"name": "slipstream"}, "object": {"key": key}}}
            for key in keys
        ]
    }


BRIDGED = {
    "source": "aws.s3", "detail-type": "Object Created",
    "detail": {"bucket": {"name": "slipstream"}, "object": {"key": KEY}},
}  # fmt: skip
FORMS: dict[str, tuple[Any, list[str] | None]] = {
    "a notification": (notification(KEY.replace("=", "%3D")), [WRITTEN]),
    "several in one": (notification(KEY, "a+b%2B"), [WRITTEN, "s3://slipstream/a b+"]),
    "of parts": (notification(KEY, event="ObjectCreated:CompleteMultipartUpload"), [WRITTEN]),
    "a removal": (notification(KEY, event="ObjectRemoved:Delete"), []),
    "by EventBridge": (BRIDGED, [WRITTEN]),
    "a removal by EventBridge": ({**BRIDGED, "detail-type": "Object Deleted"}, []),
    "by SNS": ({"Type": "Notification", "Message": json.dumps(notification(KEY))}, [WRITTEN]),
    "the bucket's test": ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "slipstream"}, []),
    "a window": ({"as_of": "2013-05-27"}, None),
    "a list": ([], None),
    "half a record": ({"Records": [{"s3": {}}]}, None),
    "no record": ({"Records": [None]}, None),
    "half of EventBridge's": ({**BRIDGED, "detail": None}, None),
}


@pytest.mark.parametrize(("body", "written"), FORMS.values(), ids=FORMS)
def test_what_a_message_says_was_written(body: Any, written: list[str] | None) -> None:
    assert read_written(json.dumps(body)) == written


@pytest.mark.parametrize("body", ["", "no json", "[" * 5000])
def test_what_is_no_message_raises_nothing(body: str) -> None:
    assert read_written(body) is None


def test_only_a_raw_partition_under_the_root_is_one() -> None:
    assert partition_of(WRITTEN, "s3://slipstream/x") == ("shop", "orders", "2013-01-01")
    finer, week = WRITTEN.replace("/part.", "/time=0615/part."), WRITTEN.replace("date=2013-01-01", "week=2013-W01")
    assert partition_of(finer, "s3://slipstream/x") == ("shop", "orders", "2013-01-01T06:15")
    assert partition_of(week, "s3://slipstream/x") == ("shop", "orders", "2013-W01")
    others = [WRITTEN.replace("slipstream/", "other/"), WRITTEN.replace("part.", "tmp."), WRITTEN.replace("raw", "x/raw"), ""]
    assert [partition_of(each, "s3://slipstream/x") for each in others] == [None] * 4
