"""What stands against offering a version, as the control store holds it, and what a person has said all the same."""

from __future__ import annotations

import sqlalchemy as sa

from include.core.acts import acts_in
from include.core.control import versions
from include.versions.lifecycle import Stage

# The audit's words. The detail of the first names the version; that of the second where the traffic went, `from` and `to`.
OFFERED, RETURNED = "rollout.restore", "rollout.restore_now"


def obstacles(connection: sa.Connection, model: str, version: int, stage: Stage) -> tuple[str, ...]:
    """Why the version may not be rolled out without a person's word; empty where nothing stands against it.

    Its gate counts as its newest evaluation has left it, though the version had its turn before.
    """
    query = sa.select(versions.c.record).where(versions.c.model == model, versions.c.version == version)
    record = connection.execute(query).scalar() or {}
    gate = record.get("gate") or {"passed": True}  # by its stage, then
    found = [] if gate["passed"] else ["its gate is closed: " + ("; ".join(gate.get("reasons", ())) or "no reason was kept")]
    if stage is Stage.STAGING and record.get("run_type") == "backfill":
        found.append("a backfill made it, which compares with no champion")
    if stage is Stage.STAGING and not found:
        found.append("its gate has not opened")
    return tuple(found)


def offered_in(connection: sa.Connection, model: str) -> set[int]:
    """The versions that a person has offered again, at any time: they wait for a rollout by hand, not for an event."""
    return {int(act.detail["version"]) for act in acts_in(connection, model, (OFFERED,))}
