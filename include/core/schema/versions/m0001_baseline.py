"""The tables as they were before stores were numbered.

A store of that time has them all, or lacks those that its release did not know yet: what is missing is made, nothing is changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_metadata = sa.MetaData()


def _table(name: str, *columns: sa.Column[object] | sa.UniqueConstraint) -> None:
    sa.Table(f"slipstream_{name}", _metadata, *columns)


def _text(name: str, length: int = 255, *, key: bool = False, index: bool = False, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.String(length), primary_key=key, index=index, nullable=null)


def _number(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Integer, nullable=null)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON, nullable=False)


def _long(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=False)


def _at(name: str = "at") -> sa.Column[object]:
    return _text(name, 40)


_table("effects", _text("key", key=True), _text("resource", index=True), _number("epoch"), _json("result"), _at())
_table("fences", _text("resource", key=True), _number("epoch"), _text("holder", 512), _at())
_table(
    "rollouts",
    _text("id", 64, key=True),
    _text("model", 128, index=True),
    sa.Column("live", sa.String(128), unique=True, nullable=True),
    _number("challenger"),
    _number("champion", null=True),
    _text("stage", 32),
    _text("state", 32),
    _long("reason"),
    _at("created_at"),
    _at("updated_at"),
)
_table(
    "rollout_events",
    _text("key", key=True),
    _text("rollout", 64, index=True),
    _text("stage", 32),
    _text("event", 32),
    _json("evidence"),
    _at(),
)
_table("rollout_folds", _text("rollout", 64, key=True), _number("seq"), _json("fold"), _at())
_table("routes", _text("model", 128, key=True), _number("generation"), _json("route"), _at())
_table(
    "partitions",
    _text("model", 128, key=True),
    _text("day", 10, key=True),
    _json("ref"),
    _text("digest", 64),
    _json("rows"),
    _at(),
)
_table(
    "versions",
    _text("key", key=True),
    _text("model", 128, index=True),
    _number("version"),
    _text("semver", 32),
    _text("stage", 32),
    _json("record"),
    _at(),
    sa.UniqueConstraint("model", "version"),
    sa.UniqueConstraint("model", "semver"),
)
_table("mirrors", _text("model", 128, key=True), _text("shown", 64), _long("problem"), _at())
_table(
    "decisions",
    _text("key", key=True),
    _text("model", 128, index=True),
    _text("as_of", 40),
    _text("action", 32),
    _json("reasons"),
    _json("evidence"),
    _at(),
)
_table(
    "audit",
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    _at(),
    _text("actor"),
    _text("action", 64),
    _text("subject"),
    _json("detail"),
    _text("previous", 64),
    _text("hash", 64),
)


def upgrade() -> None:
    _metadata.create_all(op.get_bind())
