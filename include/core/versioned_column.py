"""A JSON column whose objects say which version of their format they have: stamped as they are written, checked as they are read.

Whoever reads and writes through the table sees the body alone. A statement of plain SQL sees the field `v` too, and hands what it
reads to the column's format.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core.versioned import Format


class VersionedJson(sa.types.TypeDecorator[Any]):
    """An object (a dict) is versioned; what else a JSON column may hold passes as it is."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self, format: Format) -> None:
        super().__init__()
        self.format = format

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect
        return self.format.stamp(value) if isinstance(value, dict) else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect
        return self.format.read(value) if isinstance(value, dict) else value
