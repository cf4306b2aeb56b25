"""A control store with registered versions, and a model whose rollout has two canary steps."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from include.core.control import ControlStore, versions
from include.core.spec import Data, Feature, Features, ModelSpec, Rollout, Training
from include.core.time import timestamp

MODEL = "toy"


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec(
        name=MODEL,
        owner="tests",
        description="a toy",
        label="late",
        data=Data(sources=("things",), first=date(2020, 1, 1)),
        features=Features(build="x:a", entities="x:b", labels="x:c", views=(), request=(Feature(name="size"),)),
        expectations="x:d",
        training=Training(fit="x:e"),
        rollout=Rollout(steps=(5, 20, 100), shadow_requests=20, step_requests=50, shadow_tolerance=0.2, margin=5),
    )


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
