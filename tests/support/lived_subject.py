"""A model's life with a subject in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.subject_world import SubjectWorld


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: each test works on a copy."""
    home = tmp_path_factory.mktemp("lived") / "home"
    SubjectWorld(home).live()
    return home


@pytest.fixture
def world(lived: Path, tmp_path: Path) -> SubjectWorld:
    shutil.copytree(lived, tmp_path / "home")
    return SubjectWorld(tmp_path / "home")
