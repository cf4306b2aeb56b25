"""DynamoDB as moto (5.2.5) has it, mended where it is unlike DynamoDB: its conditions, and the order of binary values."""

from __future__ import annotations

import base64
from functools import wraps
from threading import Lock
from typing import Any

ATOMIC = ("put_item", "update_item", "delete_item", "transact_write_items", "batch_write_item")


def as_dynamodb_does() -> None:
    """moto looks whether a condition holds and writes afterwards, so two writers at once may both find that it does. And it
    compares binary values as the Base64 that they came in, where DynamoDB compares their bytes."""
    from moto.dynamodb.models.dynamo_type import DynamoType
    from moto.dynamodb.responses import DynamoHandler

    if hasattr(DynamoHandler.put_item, "__wrapped__"):
        return
    one_at_a_time = Lock()
    for name in ATOMIC:
        setattr(DynamoHandler, name, _alone(getattr(DynamoHandler, name), one_at_a_time))
    as_it_came = DynamoType.cast_value.fget

    def cast_value(value: Any) -> Any:
        return base64.b64decode(value.value) if value.type == "B" and isinstance(value.value, str) else as_it_came(value)

    DynamoType.cast_value = property(cast_value)


def _alone(call: Any, one_at_a_time: Lock) -> Any:
    @wraps(call)
    def called(*given: Any) -> Any:
        with one_at_a_time:
            return call(*given)

    return called
