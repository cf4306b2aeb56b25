"""What releases before schema 2 kept as effects of the epoch 0, and is a document now (include/core/documents.py).

It runs in the migration, and again in every later `slipstream upgrade`: a process of an earlier release that nobody stopped may
have written more. Its own description of the tables: a migration must not change its meaning when they change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from include.core import fault

_effects = sa.table(
    "slipstream_effects",
    sa.column("key", sa.String),
    sa.column("resource", sa.String),
    sa.column("epoch", sa.Integer),
    sa.column("result", sa.JSON),
    sa.column("at", sa.String),
)
_documents = sa.table(
    "slipstream_documents",
    sa.column("key", sa.String),
    sa.column("kind", sa.String),
    sa.column("subject", sa.String),
    sa.column("body", sa.JSON),
    sa.column("at", sa.String),
)

MOVED = ("skew", "monitored", "online", "superseded")  # kinds: the first part of such an effect's key
NOTICES = "reconcile"  # findings: that they happened once stays an effect, what is to be told of them is a document


def move_documents(connection: sa.Connection) -> int:
    """Make documents of the effects that were none, in the caller's transaction. Returns how many; 0 the second time."""
    if connection.dialect.name == "postgresql":  # nobody adds to the effects meanwhile; readers are let through
        connection.execute(sa.text("LOCK TABLE slipstream_effects IN SHARE ROW EXCLUSIVE MODE"))
    found = [*_moved(connection), *_notices(connection)]
    known = set(connection.execute(sa.select(_documents.c.key)).scalars())
    new = [row for row in found if row["key"] not in known]
    if new:
        connection.execute(_documents.insert(), new)
    fault.point("schema.documents.copied")
    for kind in MOVED:
        connection.execute(_effects.delete().where(_of(kind)))
    return len(new)


def count_documents(connection: sa.Connection) -> int:
    """How many effects are none: what `move_documents` would move."""
    found = sa.select(sa.func.count()).select_from(_effects).where(sa.or_(*map(_of, MOVED)))
    return int(connection.execute(found).scalar_one())


def _of(kind: str) -> sa.ColumnElement[bool]:
    return sa.and_(_effects.c.key.like(f"{kind}/%"), _effects.c.epoch == 0)


def _moved(connection: sa.Connection) -> Iterator[Mapping[str, Any]]:
    for kind in MOVED:
        for row in connection.execute(sa.select(_effects).where(_of(kind))):
            subject = row.resource.partition("/")[2]  # of `skew/{model}`, `rollout/{model}`
            yield {"key": row.key, "kind": kind, "subject": subject, "body": row.result, "at": row.at}


def _notices(connection: sa.Connection) -> Iterator[Mapping[str, Any]]:
    for row in connection.execute(sa.select(_effects).where(_effects.c.resource == NOTICES)):
        if notice := row.result.get("notice"):
            yield {"key": row.key, "kind": "notice", "subject": notice["model"], "body": notice, "at": row.at}
