"""The champion's past of every kind of problem, from a trained model; and the probes of its staleness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from include.core.request import Request, Result
from include.monitoring.performance.terms import terms_from
from include.monitoring.profile.prediction_columns import LABEL as WATCHED_LABEL
from include.monitoring.profile.prediction_columns import RESIDUAL, SCORE, SLOPE
from include.monitoring.profile.profile_file import read_profiles
from tests.support.problem_life import Life
from tests.support.problem_rows import LABEL, PROBLEMS, problem_params
from tests.support.training_example import FEATURES

KINDS = sorted(PROBLEMS)


@pytest.fixture(scope="module", params=KINDS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp(request.param), request.param)


def _params(life: Life) -> dict[str, Any]:
    return {
        "features": FEATURES,
        "label": LABEL,
        "slices": ["carrier"],
        "monitoring": {"minimum_rows": 100, "window_days": 1},
        "metric": life.problem.DEFAULT_METRIC,
        "threshold": 0.5,
        **problem_params(life.kind),
    }


@pytest.fixture(scope="module")
def reference(life: Life) -> Result:
    inputs = {"training_set": life.ledger.ref(life.data), "train": life.ledger.ref(life.good)}
    return life.run(Request("reference", "include.monitoring.reference_step:run", "example", _params(life), inputs))


def _path(life: Life, result: Result, name: str) -> Path:
    return Path(life.ledger.storage.uri(result.files[name].path))


def test_labels_outputs_and_residuals_are_profiled(life: Life, reference: Result) -> None:
    stored = read_profiles(_path(life, reference, "reference.parquet"))
    assert {SCORE, WATCHED_LABEL, RESIDUAL, SLOPE} <= {axis.name for axis in stored.axes}
    label = next(axis for axis in stored.axes if axis.name == WATCHED_LABEL)
    assert label.categories == (tuple(life.problem.outputs) if life.kind == "multiclass" else ())
    residuals = [rows[RESIDUAL] for (_, segment), rows in stored.parts.items() if not segment and RESIDUAL in rows]
    known = sum(summary.present for summary in residuals)
    assert known == (600 if life.kind != "ranking" else _telling(life))
    assert sum(stored.facts["importance"].values()) == pytest.approx(1)
    assert stored.facts["importance"]["wind"] > stored.facts["importance"]["hour"]


def _telling(life: Life) -> int:
    problem = terms_from(_params(life)).problem
    return problem.units(problem.truth(pq.read_table(_path(life, life.data, "holdout.parquet")), LABEL))


def test_the_holdout_is_kept_as_it_would_have_been_served(life: Life, reference: Result) -> None:
    held, terms = pq.read_table(_path(life, reference, "holdout.parquet")), terms_from(_params(life))
    problem = terms.problem
    assert held.num_rows == 600
    assert problem.query is None or problem.query in held.column_names
    evaluated = life.evaluate(life.good).value["metrics"][terms.metric]
    found = terms.measured(held)
    assert found is not None
    weighted = life.problem.weight is not None  # a request has no weight: what is served counts once
    assert found.value == pytest.approx(evaluated, rel=0.1 if weighted else 1e-5)


def test_probes_learn_what_can_be_learned(life: Life) -> None:
    params = {
        "as_of": "2013-01-05",
        "data_until": "2013-01-03",
        "window_days": 1,
        "minimum_rows": 50,
        "training": {"window_days": 2, "holdout_days": 0},
        **{name: _params(life)[name] for name in ("features", "label", "threshold")},
        **problem_params(life.kind),
    }
    inputs = {"history": life.ledger.ref(life.data)}
    value = life.run(Request("shadows", "include.monitoring.shadows_step:run", "example", params, inputs)).value
    error = np.array(value["error"], dtype=float)
    known = error[np.isfinite(error)]
    assert len(known)
    assert (known >= 0).all()
    assert known.mean() < {"binary": 0.4, "regression": 6.0, "interval": 6.0, "multiclass": 1.2, "ranking": 0.5}[life.kind]
