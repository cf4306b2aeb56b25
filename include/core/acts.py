"""Reading what was done to a subject from the audit, for those who follow from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import audit


@dataclass(frozen=True)
class Act:
    """A row of the audit."""

    at: str
    action: str
    detail: dict[str, Any]
    actor: str = ""


def acts_in(connection: sa.Connection, subject: str, actions: Collection[str]) -> list[Act]:
    """The acts of these names on a subject, oldest first."""
    mine = sa.and_(audit.c.subject == subject, audit.c.action.in_(actions))
    query = sa.select(audit.c.at, audit.c.action, audit.c.detail, audit.c.actor).where(mine).order_by(audit.c.seq)
    return [Act(row.at, row.action, row.detail, row.actor) for row in connection.execute(query)]
