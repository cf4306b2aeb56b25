"""Gateways report themselves, and have tokens in common."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "slipstream_gateways",
        sa.Column("gateway", sa.String(64), primary_key=True),
        sa.Column("place", sa.String(255), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("release", sa.String(64), nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("beat", sa.Double, nullable=False),
        sa.Column("report", sa.JSON, nullable=False),
    )
    op.create_table(
        "slipstream_tokens",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("token", sa.JSON, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
    )
