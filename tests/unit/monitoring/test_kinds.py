"""The step `monitor` of models that are not binary: a week as ever, and one in which the label has another meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.core.ledger import Ledger
from include.core.request import Ref, Request, Result
from include.core.settings import Settings
from include.core.task import perform
from include.monitoring.performance.known_rows import truth
from include.monitoring.performance.terms import Terms
from include.monitoring.profile.binning import axes
from include.monitoring.profile.prediction_columns import answer_axes, answer_columns, appended
from include.monitoring.profile.profile_file import write_profiles
from include.monitoring.profile.profiles import profile_parts
from include.problems.of import problem_of
from tests.support.predictions_of_kinds import KINDS, watched
from tests.support.synthetic_predictions import INPUTS, MADE, START, beside, collected, commit, spec, training

NAMES = sorted(KINDS)


@pytest.fixture
def monitored(ledger: Ledger, settings: Settings, scratch: Path) -> Any:
    """Runs the step on a week of a kind, against the thirteen weeks before it."""

    def run(kind: str, fault: float = 0.0) -> Result:
        table = watched(kind, MADE, 7, 150, 5, fault)
        files = {**beside(table.append_column("answered", table["score"]).drop_columns("answered"))}
        collect = commit(ledger, "collect", collected(table), files, scratch)
        value = {"rows": 9100, "holdout_rows": 2800, "as_of": MADE.isoformat()}
        made = commit(ledger, "training_set", value, {"train.parquet": training().slice(0, 50)}, scratch)
        model, problem = spec(), problem_of(KINDS[kind])
        params = {
            "monitoring": model.monitoring.model_dump(mode="json"),
            "features": model.features.model_dump(mode="json"),
            "label": "late",
            "metric": problem.value.DEFAULT_METRIC,
            "threshold": 0.5,
            "problem": problem.value.model_dump(mode="json"),
            "champion": 1,
            "holdout_metrics": _holdout(kind),
            "slices": ["carrier_code"],
        }
        inputs = {"collect": collect, "training_set": made, "reference": _reference(ledger, scratch, kind)}
        request = Request("monitor", "include.monitoring.monitor_step:run", model.name, params, inputs)
        return perform(request, ledger.open_attempt(request.key, 0), ledger, settings)

    return run


def _holdout(kind: str) -> dict[str, float]:
    terms = Terms(KINDS[kind].DEFAULT_METRIC, 200, kind=problem_of(KINDS[kind]))
    found = terms.measured(watched(kind, START, 28, 100, 8))
    assert found is not None
    return {terms.metric: found.value}


def _reference(ledger: Ledger, scratch: Path, kind: str) -> Ref:
    """The champion's past weeks, with what was said and what came true."""
    problem, table = problem_of(KINDS[kind]), watched(kind, START, 91, 100, 8)
    terms = Terms(KINDS[kind].DEFAULT_METRIC, 200, kind=problem)
    known = terms.known(table)
    center = float(problem.summary(known.outputs).mean())
    columns = answer_columns(problem, truth(table, problem), known.outputs, center, table["label"])
    found = [*axes(INPUTS, table), *answer_axes(problem, columns)]
    parts = profile_parts(appended(table, columns), found, "event_time")
    facts: dict[str, Any] = {"clocks": [], "rows": table.num_rows, "importance": {}, "center": center}
    path = write_profiles(scratch / f"{kind}.parquet", found, parts, facts)
    value = {"rows": table.num_rows, "holdout_rows": 2800, "as_of": MADE.isoformat(), "backtest": []}
    files = {"reference.parquet": path.read_bytes(), "sample.parquet": table.slice(0, 100), "holdout.parquet": table}
    return commit(ledger, "reference", value, files, scratch)


@pytest.mark.parametrize("kind", NAMES)
def test_a_week_as_ever_is_calm_and_as_good_as_before(monitored: Any, kind: str) -> None:
    result = monitored(kind)
    value = result.value
    performance = value["performance"]
    assert performance["verdict"] == "measured"
    assert performance["positive_rate"] is None
    assert abs(performance["drop"]) < 3 * performance["drop_error"]
    verdicts = {name: found["verdict"] for name, found in value["kinds"].items()}
    assert verdicts == dict.fromkeys(("quality", "covariate", "prediction", "label", "concept"), "none")
    said = {"regression": "predicted value", "multiclass": "probability of the likeliest class", "ranking": "score"}[kind]
    assert value["kinds"]["prediction"]["words"].startswith(f"The mean {said} is ")
    assert set(performance["metrics"]) == set(problem_of(KINDS[kind]).metrics)
    assert (performance["calibration"] != {}) == (kind == "multiclass")


@pytest.mark.parametrize("kind", NAMES)
def test_labels_of_another_meaning_are_a_drop_and_concept_drift(monitored: Any, kind: str) -> None:
    value = monitored(kind, fault=0.4).value
    performance, concept = value["performance"], value["kinds"]["concept"]
    assert performance["drop"] > 4 * performance["drop_error"]
    assert concept["verdict"] == "drift"
    words = {"regression": "minutes", "multiclass": "less often than its probability says", "ranking": "below the best order"}
    assert words[kind] in concept["words"]


def test_a_loss_before_labels_follows_the_inputs() -> None:
    """A world whose errors grow with the heat: a hot window is expected to be worse, and is, with no label of it."""
    from include.monitoring.performance.estimation import estimate

    problem = problem_of(KINDS["regression"])
    terms = Terms("mae", 200, kind=problem)

    def world(seed: int, warmer: float) -> pa.Table:
        table = watched("regression", START, 28, 200, seed)
        rng = np.random.default_rng(seed)
        heat = rng.normal(warmer, 1, table.num_rows)
        value = table["score"].to_numpy()
        label = value + rng.normal(size=len(value)) * 10 * np.exp(0.5 * heat)
        replaced = table.drop_columns(["label", "temp"])
        return replaced.append_column("label", pa.array(label)).append_column("temp", pa.array(50 + 10 * heat))

    holdout, window = world(1, 0.0), world(2, 0.7)
    came = terms.measured(window)
    raw = estimate(holdout, window, axes(INPUTS, holdout), terms)
    assert came is not None
    assert raw.why == ""
    assert came.value > 1.25 * raw.base
    assert abs(raw.value - came.value) < 0.4 * abs(raw.base - came.value)


def test_of_lists_nothing_is_told_before_labels() -> None:
    from include.monitoring.performance.estimation import estimate

    table = watched("ranking", START, 28, 100, 3)
    raw = estimate(table, table, axes(INPUTS, table), Terms("ndcg", 200, kind=problem_of(KINDS["ranking"])))
    assert "does not follow from one row" in raw.why
