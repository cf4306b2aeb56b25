"""A module that is built on meta has the values of one that is built as usual, row by row; what cannot be built so is refused."""

from __future__ import annotations

from typing import Any

import pytest

from include.backends.lightning.plan import Place
from include.core.errors import SpecError
from tests.support.later import Later

pytestmark = pytest.mark.lives  # torch takes seconds to import

deferred, modules = Later("include.backends.lightning.sharded.deferred"), Later("tests.unit.backends.lightning.sharded.modules")
torch = Later("torch")


def build(kind: Any, place: Place | None) -> tuple[Any, Any]:
    torch.manual_seed(3)
    made = deferred.Deferred(place)
    with made.building():
        module = kind()
        for name, parameter in module.named_parameters():
            made.rows(name, parameter)
    return module, made


@pytest.mark.parametrize(("rank", "world"), [(0, 1), (0, 3), (2, 3)])
def test_the_rows_are_those_of_the_module_built_whole_to_the_last_bit(rank: int, world: int) -> None:
    torch.manual_seed(3)
    whole, after = modules.Many(), torch.rand(3)
    module, made = build(modules.Many, Place(rank, world))
    assert torch.equal(torch.rand(3), after), "the same random numbers were drawn"
    assert torch.equal(module.noise, whole.noise)
    assert module.tied.weight is module.table.weight
    for (name, expected), (same, parameter) in zip(whole.named_parameters(), module.named_parameters(), strict=True):
        assert (same, parameter.device.type, parameter.shape) == (name, "meta", expected.shape)
        rows = deferred.rows_of(len(expected), Place(rank, world))
        assert torch.equal(made.rows(name, parameter), expected.detach()[rows]), name


def test_without_a_place_nothing_is_kept() -> None:
    module, made = build(modules.Many, None)
    assert all(made.rows(name, parameter).numel() == 0 for name, parameter in module.named_parameters())


@pytest.mark.parametrize(
    ("length", "world", "expected"), [(10, 3, [4, 4, 2]), (2, 4, [1, 1, 0, 0]), (5, 4, [2, 2, 1, 0]), (0, 2, [0, 0])]
)
def test_rows_are_cut_as_fsdp_cuts_them(length: int, world: int, expected: list[int]) -> None:
    parts = [deferred.rows_of(length, Place(rank, world)) for rank in range(world)]
    assert [part.stop - part.start for part in parts] == expected
    assert [len(chunk) for chunk in torch.arange(length).chunk(world)] == [size for size in expected if size] or not length


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Orthogonal", "from the values of others"),
        ("Copied", "from the values of others"),
        ("Each", "from the values of others"),
        ("Scalar", "without a dimension"),
        ("Reads", "reads the values"),
        ("Normed", "of other parameters"),
        ("Doubled", "of other parameters"),
        ("OnMeta", "on the device meta"),
        ("Hooked", "a hook on the gradient"),
        ("Lazy", "from its first batch"),
    ],
)
def test_a_module_whose_values_would_be_lost_is_refused(kind: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as refused:
        build(getattr(modules, kind), Place(0, 2))
    assert 'training.strategy="ddp"' in refused.value.hint


def test_building_leaves_torch_as_it_was() -> None:
    before = torch.nn.Module.register_parameter, torch.nn.init.orthogonal_
    build(modules.Many, Place())
    assert (torch.nn.Module.register_parameter, torch.nn.init.orthogonal_) == before
    assert torch.nn.Linear(2, 2).weight.device.type == "cpu"
