from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.core.ledger import Ledger
from include.core.request import Json, Request
from include.core.task import perform
from include.monitoring.retraining.policy import outlook
from include.monitoring.shadows_step import WINDOWS, ProbedPast
from tests.support.training_example import FEATURES, settings, training_set

AS_OF = datetime(2014, 1, 1)  # noqa: DTZ001 - as in files: UTC without a zone
START = AS_OF - timedelta(days=70)
PER_DAY = 40


def rows(turns: datetime | None) -> pa.Table:
    """Ten weeks. The label follows the wind, and from `turns` on its opposite."""
    rng, n = np.random.default_rng(7), 70 * PER_DAY
    times = [START + timedelta(days=1) * i / PER_DAY for i in range(n)]
    wind = rng.normal(size=n)
    late = (wind + 0.3 * rng.normal(size=n)) > 0
    if turns:
        late ^= np.array([at >= turns for at in times])
    columns = {"wind": wind, "hour": rng.integers(0, 24, n), "carrier": [f"C{i % 3}" for i in range(n)]}
    ids = {"request_id": [f"r{i}" for i in range(n)], "event_timestamp": pa.array(times, pa.timestamp("us"))}
    return pa.table({**ids, **columns, "late": late.astype(np.int8)})


def probe(home: Path, table: pa.Table, **changes: Json) -> dict[str, Any]:
    config = settings(home)
    ledger = Ledger(config.storage())
    history = training_set(ledger, home / "in", table.slice(0, 2000), table.slice(2000))
    params: dict[str, Json] = {
        "as_of": AS_OF.isoformat(), "data_until": (AS_OF - timedelta(days=28)).isoformat(), "window_days": 7,
        "minimum_rows": 100, "training": {"window_days": 21, "holdout_days": 7}, "features": FEATURES, "label": "late",
        "threshold": 0.5,
    }  # fmt: skip
    request = Request(
        "shadows", "include.monitoring.shadows_step:run", "example", {**params, **changes}, {"history": ledger.ref(history)}
    )
    return perform(request, ledger.open_attempt(request.key, 0), ledger, config).value


def test_a_world_that_turned_makes_old_models_wrong_and_new_ones_right(tmp_path: Path) -> None:
    value = probe(tmp_path, rows(turns=AS_OF - timedelta(days=28)))
    error = np.array(value["error"], dtype=float)
    windows = len(error) - 1
    assert value["first"] == (AS_OF - timedelta(days=7 * windows)).isoformat()
    assert value["champion"] == windows - 4  # trained on data until four windows ago, before the turn
    assert error[value["champion"], windows - 1] > 0.8
    assert error[windows - 1, windows - 1] < 0.2  # trained on the two weeks after the turn
    assert np.isnan(error[:, windows]).all()
    assert np.isnan(error[np.tri(windows + 1, k=-2, dtype=bool)]).all()
    found = outlook(value, 0.1)
    assert found is not None
    assert found.worth


def test_a_world_that_stays_is_not_paid_for(tmp_path: Path) -> None:
    found = outlook(probe(tmp_path, rows(turns=None)), 0.1)
    assert found is not None
    assert not found.worth
    assert found.windows >= 7


def test_windows_without_enough_labels_end_what_is_known(tmp_path: Path) -> None:
    table = rows(turns=None)
    times = table["event_timestamp"].to_numpy()
    hole = (times >= np.datetime64(AS_OF - timedelta(days=28))) & (times < np.datetime64(AS_OF - timedelta(days=21)))
    value = probe(tmp_path, table.filter(pa.array(~hole)))
    assert len(value["error"]) - 1 == 3  # the windows after the hole
    late = times >= np.datetime64(AS_OF - timedelta(days=7))
    found = outlook(probe(tmp_path / "late", table.filter(pa.array(~late))), 0.1)
    assert found is not None
    assert found.windows >= 5


def test_too_short_a_history_says_nothing(tmp_path: Path) -> None:
    value = probe(tmp_path, rows(turns=None), minimum_rows=10_000)
    assert value["error"] == [[None]]
    found = outlook(value, 0.1)
    assert found is not None
    assert (found.windows, found.worth) == (0, False)


@pytest.mark.parametrize(("days_ago", "window"), [(0, WINDOWS), (1, WINDOWS), (7, WINDOWS - 1), (10_000, 0)])
def test_a_champion_could_serve_from_the_first_window_after_its_data(days_ago: int, window: int) -> None:
    plan = ProbedPast(AS_OF, timedelta(days=7), timedelta(days=21), timedelta(days=7))
    assert plan.champion(AS_OF - timedelta(days=days_ago)) == window
