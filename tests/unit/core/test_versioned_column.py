"""The column's type: objects are versioned, all else passes; the type is JSON to the database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.versioned import Format
from include.core.versioned_column import VersionedJson

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("body", VersionedJson(Format("a thing", version=2, upgrades={1: lambda body: {**body, "new": True}}))),
)


@pytest.mark.parametrize("value", [{}, {"a": [1, {"b": None}]}, {"ü": "é"}])
def test_an_object_comes_back_as_it_was_and_lies_there_with_its_version(control: ControlStore, value: dict[str, Any]) -> None:
    with control.transaction() as connection:
        TABLE.create(connection)
        connection.execute(TABLE.insert().values(id=1, body=value))
        assert connection.execute(sa.select(TABLE.c.body)).scalar_one() == value
        assert '"v": 2' in str(connection.execute(sa.text("SELECT body FROM things")).scalar_one()).replace("'", '"')


def test_an_earlier_version_is_brought_up_and_what_is_no_object_passes(control: ControlStore) -> None:
    with control.transaction() as connection:
        TABLE.create(connection)
        connection.execute(sa.text("INSERT INTO things (id, body) VALUES (1, '{\"a\": 1}')"))
        connection.execute(TABLE.insert(), [{"id": 2, "body": [1, 2]}, {"id": 3, "body": None}])
        found = list(connection.execute(sa.select(TABLE.c.body).order_by(TABLE.c.id)).scalars())
    assert found == [{"a": 1, "new": True}, [1, 2], None]
