"""The network of eta: bounds that do not cross, whatever the row; an interval that holds its share; the quantiles it learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from include.training.job import Floats, Input
from tests.support.later import Later

if TYPE_CHECKING:
    from examples.models.eta.network import DelayNetwork

torch, eta, to_onnx = Later("torch"), Later("examples.models.eta.network"), Later("include.backends.lightning.export")

INPUTS = (Input("carrier", 3), Input("hour"), Input("wind"))
INTERVAL = 0.9
PARAMS = {"hidden": 8, "bins": 4, "dropout": 0.0}


@pytest.fixture(scope="module")
def rows() -> tuple[Floats, Floats]:
    chance = np.random.default_rng(7)
    features = np.column_stack([chance.integers(0, 3, 500), chance.integers(0, 24, 500), chance.normal(10, 4, 500)])
    features[::7, 2] = math.nan
    labels = 2 * features[:, 1] - 10 + chance.gamma(2, 10, 500)
    return features.astype(np.float32), labels.astype(np.float32)


def answers(network: DelayNetwork, features: Floats) -> Floats:
    found: Floats = to_onnx.score(to_onnx.Probability(network, INPUTS, link=""), features)
    return found


@pytest.fixture(scope="module")
def network(rows: tuple[Floats, Floats]) -> DelayNetwork:
    torch.manual_seed(7)
    made: DelayNetwork = eta.DelayNetwork(INPUTS, *rows, PARAMS)
    return made


@pytest.mark.lives
def test_bounds_lie_on_their_side_of_the_value_whatever_the_row(network: DelayNetwork) -> None:
    strange = np.array([[fill] * 3 for fill in (math.nan, -1.0, 1e6)], dtype=np.float32)
    value, low, high = answers(network, strange).T
    assert np.isfinite([value, low, high]).all()
    assert (low <= value).all()
    assert (value <= high).all()


def test_it_begins_at_the_labels_own_quantiles(network: DelayNetwork, rows: tuple[Floats, Floats]) -> None:
    features, labels = rows
    begun = answers(network, features).mean(axis=0)
    np.testing.assert_allclose(begun, np.quantile(labels, [0.5, 0.05, 0.95]), atol=6)


@pytest.mark.parametrize("shift", [-40.0, 40.0])
def test_calibration_makes_the_interval_hold_its_share(rows: tuple[Floats, Floats], shift: float) -> None:
    """Too narrow or too wide: afterwards it holds 90 %."""
    features, labels = rows
    network = eta.DelayNetwork(INPUTS, features, labels, PARAMS)
    network.margin.fill_(0.0)
    with torch.no_grad():
        network.layers[-1].bias[1:] += shift / 30.0
    network.calibrate(answers(network, features), labels, INTERVAL)
    found = answers(network, features)
    inside = ((labels >= found[:, 1]) & (labels <= found[:, 2])).mean()
    assert inside == pytest.approx(INTERVAL, abs=0.01)


def test_the_loss_is_least_at_the_quantiles() -> None:
    labels = torch.arange(1001, dtype=torch.float32)

    def loss(value: float, low: float, high: float) -> float:
        return float(eta.pinball(torch.tensor([[value, low, high]]).expand(1001, 3), labels, 0.9))

    best = loss(500, 50, 950)
    assert all(best < loss(*other) for other in ((520, 50, 950), (500, 70, 950), (500, 50, 930), (500, 30, 950), (500, 50, 970)))


@pytest.mark.lives
def test_the_file_answers_as_the_network_does(network: DelayNetwork, rows: tuple[Floats, Floats], tmp_path: Path) -> None:
    to_onnx.export(to_onnx.Probability(network, INPUTS, link=""), len(INPUTS), tmp_path / "model.onnx", ("value", "low", "high"))
    session = onnxruntime.InferenceSession((tmp_path / "model.onnx").read_bytes())
    strange = np.vstack([rows[0][:50], np.full((1, 3), math.nan), np.full((1, 3), -1.0), np.full((1, 3), 99.0)]).astype(
        np.float32
    )
    (seen,) = session.run(None, {"features": strange})
    np.testing.assert_allclose(seen, answers(network, strange), atol=1e-3)
