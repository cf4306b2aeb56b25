"""Writing versions: a new one, and what is known of one by now. The stage is moved by include/versions/lifecycle.py alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from include.core.control import versions
from include.core.time import timestamp
from include.versions.lifecycle import Stage
from include.versions.record import VersionRecord


def add_in(connection: sa.Connection, record: VersionRecord) -> None:
    """A version that was not there, in the stage where it enters the state machine; the caller writes the audit row."""
    connection.execute(
        versions.insert().values(
            key=record.entry.key,
            model=record.entry.model,
            version=record.version,
            semver=record.semver,
            stage=str(record.entry.first_stage),
            record=record.to_json(),
            at=record.created_at,
        )
    )


def keep_served_in(connection: sa.Connection, model: str, version: int, record: Mapping[str, Any]) -> None:
    """The one version of a gateway that serves no other, in a store of its own. Once more changes nothing."""
    mine = sa.and_(versions.c.model == model, versions.c.version == version)
    if connection.execute(sa.select(versions.c.key).where(mine)).first() is None:
        named = {"key": f"{model}/{version}", "semver": str(record.get("semver", "")), "stage": str(Stage.PRODUCTION)}
        connection.execute(versions.insert().values(model=model, version=version, record=dict(record), at=timestamp(), **named))


def rewrite_in(connection: sa.Connection, record: VersionRecord) -> None:
    """What is known of a version by now; its stage stays what the column says."""
    mine = versions.c.key == record.entry.key
    connection.execute(versions.update().where(mine).values(record=record.to_json()))
