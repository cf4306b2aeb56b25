"""A spec that imports a heavy library is named with the library, its time and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.authoring.spec_imports import _libraries, check_imports
from include.core.errors import SpecError
from include.services.services import Services
from tests.support.error_message import assert_says
from tests.unit.authoring.conftest import Zoo

TOLD = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 | include.core.spec
import time:      1000 |       1000 |         numpy
import time:      2000 |     900000 |       torch
import time:        10 |         10 |       json
import time:        50 |     900100 |     zoo.ape.network
import time:        60 |     900200 |   zoo.ape.spec
import time:       500 |        500 |   pandas
import time:        70 |     900300 | include.core.catalog
"""


def test_only_what_the_models_folder_brings_in_counts_and_once() -> None:
    (found,) = _libraries(TOLD, "zoo.ape")
    assert (found.name, found.seconds) == ("torch", 0.9)
    assert found.through == ("zoo.ape.spec", "zoo.ape.network")


def test_a_heavy_import_at_the_top_is_refused_with_its_line(zoo: Zoo, services: Services, tmp_path: Path) -> None:
    (tmp_path / "xgboost.py").write_text("")  # a library of that name, found before any other
    zoo("ape", {"spec.py": ("from datetime import", "import xgboost\nfrom datetime import")})
    with pytest.raises(SpecError) as refused:
        check_imports("ape", services.settings)
    assert_says(refused.value, "imports xgboost (0.0 s)", "ape/spec.py:6 imports xgboost", "move the import into the function")


def test_a_light_spec_has_nothing_to_say(zoo: Zoo, services: Services) -> None:
    zoo("ape")
    assert check_imports("ape", services.settings) == "nothing heavy"
