"""Where the plan's spread comes from. Its formula is tested in tests/unit/problems/test_holdout_plan.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.request import Ref
from include.core.spec import Regression
from include.evaluation.gate_plan import assumed, assumed_loss, measured, plan
from include.problems.holdout_plan import Assumed, AssumedLoss
from include.problems.of import params_of, signature_of
from include.versions.record import Stage, VersionRecord
from tests.support.toy_ledger import SPEC, Loop, record

PAIRED = {"worse": -0.02, "error": 0.01, "freedom": 6, "rows": 1400, "slices": []}
DAYS, EACH = 7, 60


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop.under(tmp_path)


def evaluation(loop: Loop, data: Ref, **value: Any) -> Ref:
    params = {"evaluation": SPEC.evaluation.model_dump(mode="json"), "about": value}  # a key of its own
    return loop.commit("evaluate", params, {"training_set": data}, value, {})


def version(number: int, loop: Loop, data: Ref, made: Ref, train: Ref | None = None) -> VersionRecord:
    bare = record(number, f"1.{number}.0", Stage.STAGING)
    lineage = replace(bare.entry.lineage, evaluation=made, training_set=data, train=train or bare.entry.lineage.train)
    return replace(bare, entry=replace(bare.entry, lineage=lineage))


def holdout(loop: Loop) -> Ref:
    """A training set with a holdout that the toy model can score."""
    random = np.random.default_rng(3)
    rows = DAYS * EACH
    wind = random.standard_normal(rows)
    times = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(days=n // EACH) for n in range(rows)]
    late = (wind + random.standard_normal(rows) > 0).astype(np.int8)
    columns = {"event_timestamp": pa.array(times, pa.timestamp("us")), "wind": wind, "rain": wind, "hour": np.ones(rows, int)}
    path = loop.scratch / "made.parquet"
    pq.write_table(pa.table({**columns, "late": late}), path)
    return loop.commit("training_set", {"holdout_days": DAYS}, {}, {"rows": rows}, {"holdout.parquet": path.read_bytes()})


def test_the_newest_comparison_of_two_versions_is_what_the_plan_stands_on(loop: Loop) -> None:
    data = holdout(loop)
    older, newer = ({**PAIRED, "error": error} for error in (0.5, 0.01))
    known = [version(n, loop, data, evaluation(loop, data, paired=paired)) for n, paired in ((1, older), (2, newer))]
    alone = version(3, loop, data, evaluation(loop, data, champion=None))
    seen = measured(loop.ledger, SPEC, [*known, alone])
    assert seen is not None
    assert (seen.spread.error, seen.spread.by_day, seen.rows_per_day, seen.worse) == (0.01, True, 200.0, -0.02)
    assert "version 2 beside the champion of its time" in seen.source
    found = plan(SPEC, seen)
    assert [line.worse for line in found.lines] == [-0.01, 0.0, 0.005, -0.02]
    good, ahead = found.lines[1], found.lines[3]
    assert good.days is not None
    assert ahead.days is not None
    assert ahead.days < good.days
    assert good.rows == good.days * 200


def test_a_comparison_by_another_metric_is_none(loop: Loop) -> None:
    data = holdout(loop)
    params = {"evaluation": {**SPEC.evaluation.model_dump(mode="json"), "metric": "log_loss"}}
    made = loop.commit("evaluate", params, {"training_set": data}, {"paired": PAIRED}, {})
    assert measured(loop.ledger, SPEC, [version(1, loop, data, made)]) is None


def test_a_champion_alone_gives_its_own_errors_and_says_what_is_assumed(loop: Loop) -> None:
    data = holdout(loop)
    made = version(1, loop, data, evaluation(loop, data, champion=None), loop.train(data))
    seen, alike = (measured(loop.ledger, SPEC, [made], correlation) for correlation in (0.9, 0.99))
    assert seen is not None
    assert alike is not None
    assert "errors correlate with them by 0.9 (assumed" in seen.source
    assert seen.rows_per_day == EACH
    assert alike.spread.error == pytest.approx(seen.spread.error / 10**0.5)


def test_results_that_are_gone_give_nothing(loop: Loop) -> None:
    assert measured(loop.ledger, SPEC, [record(1, "1.0.0")]) is None
    assert measured(loop.ledger, SPEC, []) is None


def test_more_rows_a_day_need_fewer_days_and_as_many_rows() -> None:
    few, many = (plan(SPEC, assumed(SPEC, Assumed(0.7, 0.2, 0.9), rows)).lines[1] for rows in (100, 1000))
    assert (few.days or 0) > (many.days or 0) > 0
    assert (few.rows or 0) == pytest.approx(many.rows, rel=0.1)


@pytest.mark.parametrize("given", [Assumed(0.5, 0.2, 0.9), Assumed(0.7, 0.0, 0.9), Assumed(0.7, 0.2, 1.0)])
def test_assumptions_that_describe_nothing_are_refused(given: Assumed) -> None:
    with pytest.raises(DataError, match="describe no two models"):
        assumed(SPEC, given, 100)


MINUTES = SPEC.model_copy(
    update={
        "problem": Regression(scale=5, unit="minutes"),
        "evaluation": SPEC.evaluation.model_copy(update={"metric": "mae", "minimum": None, "margin": 0.5}),
    }
)


def test_a_model_of_numbers_is_planned_by_how_its_errors_spread() -> None:
    seen = assumed_loss(MINUTES, AssumedLoss(deviation=10.0, alike=0.9), rows_per_day=500)
    made = plan(MINUTES, seen)
    assert made.error == pytest.approx(10 * (0.2 / (500 * MINUTES.training.holdout_days)) ** 0.5)
    assert "spreading by 10 minutes" in made.source
    assert made.lines[0].words == "ahead by 0.5000 minutes mean absolute error"
    with pytest.raises(DataError, match="describe no two models"):
        assumed_loss(MINUTES, AssumedLoss(deviation=0.0, alike=0.9), rows_per_day=500)
    with pytest.raises(DataError, match=r"(?s)no 0 or 1.*--deviation"):
        assumed(MINUTES, Assumed(0.7, 0.2, 0.9), 500)


def test_a_versions_own_errors_plan_any_metric(loop: Loop) -> None:
    """The toy model answers like a value between 0 and 1, and the label is a number."""
    data = holdout(loop)
    spec = MINUTES.model_copy(update={"problem": Regression(scale=1)})
    train = loop.train(data, contract=signature_of(params_of(spec)))
    known = [version(1, loop, data, evaluation(loop, data, champion=None), train)]
    seen = measured(loop.ledger, spec, known)
    assert seen is not None
    assert "own errors on its 420 holdout rows" in seen.source
    assert seen.spread.error > 0


def test_a_version_of_another_problem_plans_nothing(loop: Loop) -> None:
    """A binary one from before the spec said that the label is a number."""
    data = holdout(loop)
    known = [version(1, loop, data, evaluation(loop, data, champion=None), loop.train(data))]
    assert measured(loop.ledger, MINUTES.model_copy(update={"problem": Regression(scale=1)}), known) is None
