"""Documents have a table of their own; they were effects with the epoch 0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from include.core.schema.former import move_documents

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "slipstream_documents",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
    )
    op.create_index("ix_slipstream_documents_subject", "slipstream_documents", ["kind", "subject", "at"])
    move_documents(op.get_bind())
