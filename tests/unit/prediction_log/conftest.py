"""A log of one home, and the root that it is shipped to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core import fault
from include.core.storage import LocalStorage
from include.prediction_log.shared import SharedLog
from include.prediction_log.writer import PredictionLog


@pytest.fixture(autouse=True)
def no_fault() -> Iterator[None]:
    yield
    fault.arm(None)


@pytest.fixture
def log(tmp_path: Path) -> SharedLog:
    return SharedLog(tmp_path / "home", LocalStorage(tmp_path / "root"))


@pytest.fixture
def writer(log: SharedLog) -> PredictionLog:
    return PredictionLog(log.home, "toy")
