"""Experiments, and what each look at one found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "slipstream_experiments",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(128), nullable=False, index=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("live", sa.String(128), unique=True, nullable=True),
        sa.Column("champion", sa.Integer, nullable=False),
        sa.Column("treatment", sa.Integer, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("answer", sa.String(32), nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("decision", sa.JSON, nullable=False),
        sa.Column("started_at", sa.String(40), nullable=False),
        sa.Column("ended_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "slipstream_experiment_looks",
        sa.Column("experiment", sa.String(64), primary_key=True),
        sa.Column("cutoff", sa.String(40), primary_key=True),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
    )
