"""Versions that are written: a copy of one from another control store is there once, and stays as it was."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.versions.store import keep_served_in


def test_a_copy_of_a_version_is_served_here_and_stays_as_it_was(tmp_path: Path) -> None:
    control = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    for semver in ("1.2.0", "9.9.9"):  # the second time nothing is written
        with control.transaction() as connection:
            keep_served_in(connection, "delays", 7, {"semver": semver, "train": {}})
    with control.engine.connect() as connection:
        (row,) = connection.execute(sa.select(versions.c.key, versions.c.version, versions.c.semver, versions.c.stage)).all()
    assert tuple(row) == ("delays/7", 7, "1.2.0", "Production")
