from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from tests.support.databases import postgres as postgres
from tests.support.databases import url as url


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store
