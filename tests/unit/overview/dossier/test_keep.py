"""Where the dossier of a promotion lies. What becomes of it in a task: tests/unit/operators/test_dossier.py."""

from __future__ import annotations

import os
from pathlib import Path

from include.backends.folder.registry import FolderRegistry
from include.core import fault
from include.core.control import ControlStore
from include.core.settings import Settings
from include.governance.registry import register, resource
from include.overview.dossier import keep as module
from include.overview.dossier.keep import keep
from include.services.services import Services
from tests.support.toy_ledger import MODEL, Loop


def test_killed_before_it_is_noted_the_next_try_makes_another_and_then_none(tmp_path: Path) -> None:
    loop, store = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    register(store, FolderRegistry(loop.ledger.storage), loop.package(), store.take(resource(MODEL), "t"))
    services = Services(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_MODELS": "include.models"}))
    child = os.fork()
    if child == 0:
        fault.arm(fault.Fault("dossier.stored", "kill"))
        keep(services, MODEL, 1, "r1", None, "ada")
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    folder = tmp_path / "store" / module.FOLDER / MODEL
    assert len([*folder.iterdir()]) == 1
    assert [keep(services, MODEL, 1, "r1", None, "ada").new for _ in range(2)] == [True, False]
    assert len([*folder.iterdir()]) == 2
    assert keep(services, MODEL, 1, "r2", None, "ada").new
