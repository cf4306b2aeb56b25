from __future__ import annotations

import pytest

from tests.support.later import Later

pytestmark = pytest.mark.lives

units, modules = Later("include.backends.lightning.sharded.units"), Later("tests.unit.backends.lightning.sharded.modules")


def names(limit: int) -> list[str]:
    module = modules.Blocks()
    known = {id(part): name for name, part in module.named_modules()}
    return [known[id(unit)] for unit in units.units(module, limit)]


def test_a_small_model_is_gathered_at_once() -> None:
    assert names(1 << 20) == []


def test_units_are_the_largest_modules_below_the_limit_that_have_a_forward() -> None:
    found = names(1200)
    assert found[:4] == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    assert "attention" in found, "what uses the weights within it is a unit, however large"
    assert not any(name.startswith(("attention.", "held")) for name in found)


def test_modules_that_share_a_weight_are_in_no_unit_of_their_own() -> None:
    assert not {"first", "second"} & set(names(1200))


def test_a_layer_that_is_larger_than_a_unit_is_one() -> None:
    assert names(600)[:2] == ["blocks.0.0", "blocks.0.1"]
