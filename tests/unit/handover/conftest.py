from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.nursery import Nursery
from tests.support.operator_runs import Life


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Nursery:
    return Nursery(tmp_path_factory.mktemp("nursery"))


@pytest.fixture
def published(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Life:
    """The shop; its first days are published."""
    return nursery.life("published", monkeypatch)


@pytest.fixture
def registered(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Life:
    """And version 1 of it was trained here, and is a Candidate."""
    return nursery.life("registered", monkeypatch)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """An ONNX file as somebody else's training wrote it: one tensor of four columns, the shelf as a code."""
    import numpy as np

    from tests.unit.operators.models.shop.train import onnx_bytes

    middle, spread = np.array([40, 2, 40, 1.5], np.float32), np.array([20, 1, 20, 0.5], np.float32)
    path = tmp_path / "elsewhere.onnx"
    path.write_bytes(onnx_bytes(middle, spread, np.array([0, 0, 1, 0], np.float32), 0.0))
    return path
