"""Places of a champion's tensors in a new model: carried over by what they mean, or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from include.backends.lightning.plan import BEGUN, CHAMPION, Course, Plan
from include.core.storage import open_storage
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats, Input
from tests.support.later import Later

if TYPE_CHECKING:
    from pathlib import Path

    from include.models.flight_delay.network import FlightDelay

torch = Later("torch")
warm = Later("include.backends.lightning.warm")
network = Later("include.models.flight_delay.network")
PARAMS = {"hidden": 8, "dropout": 0.1, "bins": 4, "learning_rate": 1e-2}


def plan(categories: str = "ABC", numbers: Sequence[str] = ("wind", "hour"), **params: object) -> Plan:
    inputs = (*(Input(name) for name in numbers), Input("carrier", 1 + len(categories)))
    known = {"carrier": tuple(categories)}
    return Plan(inputs, {**PARAMS, **params}, Course(100, 10, 1, 7), 5, categories=known, keeps_weights=True)


def rows(of: Plan) -> Floats:
    drawn = np.random.default_rng(0).normal(size=(50, len(of.inputs))).astype(np.float32)
    drawn[:, -1] = drawn[:, -1] > 0
    return drawn


def module(of: Plan, seed: int = 0) -> FlightDelay:
    torch.manual_seed(seed)
    made: FlightDelay = network.FlightDelay(of, rows(of) * (1 + seed)).eval()
    return made


def test_with_the_same_inputs_the_new_model_says_what_the_champion_says() -> None:
    same = plan()
    champion, new = module(same), module(same, seed=1)
    given = torch.tensor(rows(same))
    assert not torch.equal(champion(given), new(given))
    assert warm.carry(new, same, warm.weights_of(champion, same)) == []
    assert torch.equal(champion(given), new(given))


def test_a_category_keeps_its_row_wherever_it_stands_now_and_a_new_one_begins_anew() -> None:
    before, after = plan("ABC"), plan("ACD")  # as many as before: the shapes alone would not tell
    champion, new = module(before), module(after, seed=1)
    untouched = new.network.embeddings[0].weight.detach().clone()
    assert warm.carry(new, after, warm.weights_of(champion, before)) == ["carrier=D"]
    old, made = champion.network.embeddings[0].weight, new.network.embeddings[0].weight
    assert torch.equal(made[[0, 1, 2]], old[[0, 1, 3]])  # unknown, A, C
    assert torch.equal(made[3], untouched[3])


def test_an_input_that_was_added_in_the_middle_begins_anew_and_moves_no_other() -> None:
    before, after = plan(), plan(numbers=("hour", "gust", "wind"))
    champion, new = module(before), module(after, seed=1)
    fresh = warm.carry(new, after, warm.weights_of(champion, before))
    assert fresh == ["gust", "gust:standard", "gust:0", "gust:1", "gust:2", "gust:3", "gust:missing"]
    old, made = champion.network, new.network
    assert torch.equal(made.mean[[2, 0]], old.mean)
    assert torch.equal(made.layers[0].weight[:, [2, 0]], old.layers[0].weight[:, [0, 1]])  # the standardised numbers
    assert torch.equal(made.layers[3].weight, old.layers[3].weight)
    assert made.numbers.tolist() == [0, 1, 2]  # the columns are the new model's own
    given = torch.tensor(rows(after))
    assert torch.isfinite(new(given)).all()


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (plan(hidden=9), r"network.layers.0.weight has the shape \[9, 14\] here, and the champion's: \[8, 14\]"),
        (plan(bins=5), r"network.low has 5 along its axis 1, and the champion's 4|network.low has the shape"),
    ],
    ids=["another width", "other bins"],
)
def test_a_model_of_another_shape_is_left_as_it_was_initialised(after: Plan, why: str) -> None:
    before = plan()
    new = module(after, seed=1)
    untouched = {name: value.clone() for name, value in new.state_dict().items()}
    with pytest.raises(warm.Unlike, match=why):
        warm.carry(new, after, warm.weights_of(module(before), before))
    assert all(torch.equal(value, untouched[name]) for name, value in new.state_dict().items())


def test_of_other_inputs_a_module_that_does_not_say_its_places_begins_cold() -> None:
    before, after = plan(), plan("ABCD")
    champion, new = module(before), module(after, seed=1)
    new.places = None
    with pytest.raises(warm.Unlike, match="does not say what its places are"):
        warm.carry(new, after, warm.weights_of(champion, before))


def test_places_that_do_not_cover_their_tensor_are_refused() -> None:
    before, after = plan(), plan("ABCD")
    champion, new = module(before), module(after, seed=1)
    new.places = lambda: {"network.embeddings.0.weight": warm.Places([["carrier=A"], None], "carrier")}
    with pytest.raises(warm.Unlike, match="5 places along its axis 0, and names 1"):
        warm.carry(new, after, warm.weights_of(champion, before))


def test_weights_are_no_code_and_an_unknown_format_is_refused() -> None:
    same = plan()
    other = io.BytesIO()
    torch.save({"format": 2}, other)
    for data, why in ((b"nothing of torch's", "no file of this fit's"), (other.getvalue(), "format 2")):
        with pytest.raises(warm.Unlike, match=why):
            warm.carry(module(same), same, data)
    assert torch.load(io.BytesIO(warm.weights_of(module(same), same)), weights_only=True)["format"] == 1


def test_how_it_began_is_written_down_once_and_without_a_champion_nothing_is(tmp_path: Path) -> None:
    store, same = CheckpointStore(open_storage(str(tmp_path)), "checkpoints"), plan()
    warm.begin(module(same), same, store, first=True)
    assert store.load(BEGUN) is None
    store.save(CHAMPION, warm.weights_of(module(same), same))
    warm.begin(module(same), same, store, first=False)
    assert store.load(BEGUN) is None
    warm.begin(module(same), same, store, first=True)
    assert store.load(BEGUN) == b'{"warm": true}'
