"""A slot's table: what it holds, for a template, and as a template has it."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

Held = list[dict[str, dict[str, str]]]  # items; a binary value as Base64


class Table:
    def __init__(self, name: str, address: str) -> None:
        import boto3

        self._name = name
        self._client: Any = boto3.client(
            "dynamodb", endpoint_url=address, region_name="us-east-1", aws_access_key_id="chaos", aws_secret_access_key="chaos"
        )

    def held(self) -> Held:
        pages = self._client.get_paginator("scan").paginate(TableName=self._name)
        return [{name: _plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]

    def fill(self, items: Held) -> None:
        """The table with these items, and no others."""
        from include.backends.dynamodb.table import KEYS

        with contextlib.suppress(self._client.exceptions.ResourceNotFoundException):
            self._client.delete_table(TableName=self._name)
        kinds = [{"AttributeName": each["AttributeName"], "AttributeType": "S"} for each in KEYS]
        self._client.create_table(TableName=self._name, KeySchema=KEYS, AttributeDefinitions=kinds, BillingMode="PAY_PER_REQUEST")
        for item in items:
            self._client.put_item(TableName=self._name, Item={name: _typed(value) for name, value in item.items()})


def _plain(value: dict[str, Any]) -> dict[str, str]:
    return {kind: base64.b64encode(each).decode() if kind == "B" else each for kind, each in value.items()}


def _typed(value: dict[str, str]) -> dict[str, Any]:
    return {kind: base64.b64decode(each) if kind == "B" else each for kind, each in value.items()}
