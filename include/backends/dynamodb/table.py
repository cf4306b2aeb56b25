"""The table of the online store: what it must look like, and making it where the address asks for that.

In production a stack makes the table (docs/aws.md). `?create=yes` is for development: Describe comes before Create, a table of
another shape is refused, and whoever was killed in between is caught up with by the next.
"""

from __future__ import annotations

import time
from typing import Any

from include.backends.aws.errors import code
from include.backends.dynamodb.address import Address
from include.backends.dynamodb.item import ENTITY, EXPIRES, VIEW
from include.core.errors import SpecError, UnreachableError

KEYS = [{"AttributeName": VIEW, "KeyType": "HASH"}, {"AttributeName": ENTITY, "KeyType": "RANGE"}]
PATIENCE, PAUSE = 120.0, 0.5  # seconds that a new table is waited for, and between two looks
_EXISTS = "ResourceInUseException"
_MISSING = "ResourceNotFoundException"
_ON = ("ENABLED", "ENABLING")


def make_table(client: Any, address: Address) -> None:
    """The table, ready for use and with its time to live on; as it was where that is so already.

    Raises SpecError for a table that is somebody else's, UnreachableError for one that does not become ready, botocore's errors.
    """
    until = time.monotonic() + PATIENCE
    while (found := _described(client, address.table)) is None or found["TableStatus"] != "ACTIVE":
        if found is None:
            _create(client, address.table)
        elif time.monotonic() > until:
            raise UnreachableError(f"The table {address.table} is not ready.", seen=found["TableStatus"], hint="try again later.")
        else:
            time.sleep(PAUSE)
    if sorted(found["KeySchema"], key=lambda each: str(each["KeyType"])) != KEYS:
        raise SpecError(
            f"The table {address.table} is no online store of Slipstream: its keys are others.",
            seen=found["KeySchema"],
            safe="nothing of it was changed.",
            hint="name another table in SLIPSTREAM_ONLINE_URL.",
        )
    if client.describe_time_to_live(TableName=address.table)["TimeToLiveDescription"]["TimeToLiveStatus"] not in _ON:
        _expire(client, address.table)


def _described(client: Any, table: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.describe_table(TableName=table)["Table"]
    except client.exceptions.ClientError as error:
        if code(error) == _MISSING:
            return None
        raise
    return found


def _create(client: Any, table: str) -> None:
    try:
        client.create_table(
            TableName=table,
            KeySchema=KEYS,
            AttributeDefinitions=[{"AttributeName": each["AttributeName"], "AttributeType": "S"} for each in KEYS],
            BillingMode="PAY_PER_REQUEST",
        )
    except client.exceptions.ClientError as error:
        if code(error) != _EXISTS:  # another process makes it at this moment
            raise


def _expire(client: Any, table: str) -> None:
    try:
        client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES})
    except client.exceptions.ClientError as error:
        on = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] in _ON
        if code(error) != "ValidationException" or not on:  # another process has turned it on meanwhile
            raise
