from __future__ import annotations

from datetime import date

import pytest

from include.core.spec import Data, Feature, Features, ModelSpec, Training, View


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec(
        name="toy",
        owner="tests",
        description="a toy",
        label="late",
        data=Data(sources=("things",), first=date(2020, 1, 1)),
        features=Features(
            build="x:a",
            entities="x:b",
            labels="x:c",
            views=(View(name="weather", keys=("place",), features=(Feature(name="heat"),)),),
            request=(Feature(name="size", default=3.0), Feature(name="hour", dtype="int", default=0)),
        ),
        expectations="x:d",
        training=Training(fit="x:e"),
    )
