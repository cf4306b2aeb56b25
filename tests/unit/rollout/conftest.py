"""A control store with registered versions, and a model whose rollout has two canary steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.spec import ModelSpec
from tests.support.approval import store_of_versions
from tests.support.rollout_spec import rollout_spec

MODEL = "toy"


@pytest.fixture
def spec() -> ModelSpec:
    return rollout_spec(MODEL, {"shadow_tolerance": 0.2, "margin": 5})


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return store_of_versions(tmp_path)
