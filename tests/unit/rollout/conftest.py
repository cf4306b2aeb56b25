"""A control store with registered versions, and a model whose rollout has two canary steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore, versions
from include.core.spec import ModelSpec
from include.core.time import timestamp
from tests.support.rollout_spec import rollout_spec

MODEL = "toy"


@pytest.fixture
def spec() -> ModelSpec:
    return rollout_spec(MODEL, {"shadow_tolerance": 0.2, "margin": 5})


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    with store.transaction() as connection:
        for version in (1, 2, 3, 4):
            stage = "Staging" if version == 4 else "Candidate"
            row = {
                "key": f"k{version}",
                "model": MODEL,
                "version": version,
                "semver": f"1.{version}.0",
                "record": {},
                "at": timestamp(),
            }
            connection.execute(versions.insert().values(stage=stage, **row))
    return store
