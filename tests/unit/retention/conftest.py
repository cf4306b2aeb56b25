from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gc_world import World, world_under
from tests.support.stores import empty_control


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_under(tmp_path, empty_control(tmp_path))
