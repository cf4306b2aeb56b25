"""What the console loads of authors is what lies in their folders now, without a new API server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.spec import ModelSpec
from plugins.slipstream_services import LookingOn

PLACE = "seen_zoo"
LIKE = """from datetime import date

from benchmarks.console.spec import spec_of

SPEC = spec_of({name!r}, date({year}, 1, 1))
"""
SET = """from tests.support.sets_of_spec import feature_set, view

SET = feature_set("weather", view("hourly", {feature!r}))
"""
OF_SET = """from tests.support.sets_of_spec import model

SPEC = model("weather").model_copy(update={"name": "eta_1"})
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / PLACE / "eta_1"
    folder.mkdir(parents=True)
    for each in (folder.parent, folder):
        (each / "__init__.py").touch()
    (folder / "spec.py").write_text(LIKE.format(name="eta_1", year=2024))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == PLACE]:
        del sys.modules[name]


def test_a_spec_that_was_changed_is_read_anew_whichever_way_it_is_asked_for(place: Path, tmp_path: Path) -> None:
    held = LookingOn.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_MODELS": PLACE})
    assert (held.spec("eta_1").data.first.year, held.owner("eta_1") is held.spec("eta_1")) == (2024, True)
    (place / "spec.py").write_text(LIKE.format(name="eta_1", year=2025))
    os.utime(place / "spec.py", (2e9, 2e9))
    found = held.owner("eta_1")
    assert isinstance(found, ModelSpec)
    assert found.data.first.year == 2025
    assert held.spec("eta_1") is found


def test_a_model_has_the_views_of_its_sets_as_they_are_now(place: Path, tmp_path: Path) -> None:
    weather = place.parent / "weather"
    weather.mkdir()
    (weather / "__init__.py").touch()
    (weather / "feature_set.py").write_text(SET.format(feature="temp"))
    (place / "spec.py").write_text(OF_SET)
    held = LookingOn.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_MODELS": PLACE})
    assert [feature.name for view in held.spec("eta_1").features.views for feature in view.features] == ["temp"]
    (weather / "feature_set.py").write_text(SET.format(feature="wind"))
    os.utime(weather / "feature_set.py", (2e9, 2e9))
    assert [feature.name for view in held.spec("eta_1").features.views for feature in view.features] == ["wind"]
    assert held.owner("weather") is held.feature_set("weather")
