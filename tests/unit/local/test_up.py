"""`make up` on the home of an earlier release: nothing is started before somebody has upgraded it."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.errors import NotReadyError
from include.core.schema import TABLE
from include.local.platform import Platform
from include.local.supervisor import Supervisor
from include.local.up import up


def test_a_home_of_an_earlier_release_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    with control.transaction() as connection:
        connection.execute(sa.text(f"DROP TABLE {TABLE}"))  # as before stores had numbers
    monkeypatch.setattr("include.local.up.set_mask", lambda: None)  # of this process
    monkeypatch.setattr(Supervisor, "start_daemon", lambda *_: pytest.fail("the supervisor was started"))
    with pytest.raises(NotReadyError, match=r"(?s)made by an earlier release.*slipstream upgrade"):
        up(Platform(tmp_path))
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "connections.env").exists()
