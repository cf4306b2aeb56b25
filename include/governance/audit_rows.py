"""The rows of the audit table, oldest first, as they are: also those whose columns can no longer be read as what they were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, audit
from include.core.errors import SlipstreamError

PAGE = 5000  # rows read in one transaction: on SQLite nobody can write while one is open

Row = Mapping[str, Any] | sa.RowMapping


def rows(control: ControlStore) -> Iterator[Row]:
    """Every row of the table, oldest first."""
    last: Any = None
    while True:
        query = sa.select(audit).order_by(audit.c.seq).limit(PAGE)
        page = _page(control, query if last is None else query.where(audit.c.seq > last))
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]["seq"]


def _page(control: ControlStore, query: sa.Select[Any]) -> list[Row]:
    try:
        with control.transaction() as connection:
            return [*connection.execute(query).mappings()]
    except (ValueError, RecursionError, SlipstreamError):  # a store that is away says so again below
        pass
    # PostgreSQL refuses what is no text or no JSON, but not what is nested too deep for us; SQLite holds anything.
    raw: type[sa.LargeBinary | sa.Text] = sa.LargeBinary if control.engine.dialect.name == "sqlite" else sa.Text
    columns = (sa.cast(column, raw).label(column.name) for column in audit.c if column.name != "seq")
    with control.transaction() as connection:
        return [_read(row) for row in connection.execute(query.with_only_columns(audit.c.seq, *columns)).mappings()]


def _read(row: sa.RowMapping) -> Row:
    """A row as bytes or text. What is no text or no JSON comes out as another value than it was hashed as, and so is found."""
    texts = {name: _text(value) for name, value in row.items() if name != "seq"}
    try:
        detail = json.loads(texts["detail"])
    except (ValueError, RecursionError):
        detail = f"no JSON: {texts['detail'][:80]}"
    return {"seq": row["seq"], **texts, "detail": detail}


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
