"""gc clears away for the control store whose storage it is, and for no other that was pointed at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import ConflictError, NotReadyError
from include.core.root_owner import Claim, claim_root
from include.core.storage import LocalStorage
from include.governance.seals import write_seal
from include.retention.same_platform import require_same_platform
from tests.support.gc_world import World
from tests.support.stores import empty_control


def begun(folder: Path) -> ControlStore:
    folder.mkdir()
    control = empty_control(folder)
    with control.transaction() as connection:
        control.append_audit(connection, "t", "begin", "toy", {"folder": str(folder)})
    return control


def test_a_storage_is_known_by_its_newest_seal(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "store")
    mine, other = begun(tmp_path / "mine"), begun(tmp_path / "other")
    with pytest.raises(NotReadyError, match="never sealed"):
        require_same_platform(mine, storage)
    write_seal(mine, storage, actor="t")
    require_same_platform(mine, storage)
    with pytest.raises(ConflictError, match="is not this control store's"):
        require_same_platform(other, storage)
    empty = ControlStore(f"sqlite:///{tmp_path}/empty.db")
    empty.create_tables()
    with pytest.raises(ConflictError, match="is not this control store's"):
        require_same_platform(empty, storage)


def test_a_platform_that_was_replaced_clears_nothing_away(tmp_path: Path) -> None:
    storage, mine = LocalStorage(tmp_path / "store"), begun(tmp_path / "mine")
    write_seal(mine, storage, actor="t")
    claim_root(storage, Claim(1, "another", "now", "x"))
    with pytest.raises(ConflictError, match="belongs to the platform"):
        require_same_platform(mine, storage)


def test_another_control_store_removes_nothing_and_may_look(world: World, tmp_path: Path) -> None:
    world.unneeded("old")
    world.pass_days(60)
    stranger = World(world.home, world.loop, begun(tmp_path / "stranger"))
    before = world.files()
    assert stranger.gc(dry_run=True).found
    with pytest.raises(ConflictError, match="is not this control store's"):
        stranger.gc()
    assert world.files() == before
