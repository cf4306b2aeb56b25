"""Publishing a day: atomically, again after a correction, never backwards; and bringing it online."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import audit, effects
from include.core.errors import DataError, FencedError, IntegrityError, SupersededError
from include.core.request import Ref, Result
from include.core.task import perform
from include.data.published import publish, published, resource
from include.model_contract.definition import present_views
from operators.validation import ValidateDataOperator
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import MaterializeFeaturesOperator, PublishFeaturesOperator
from tests.unit.operators.models.shop.orders import PER_DAY, orders_of

CHEAP = {"price": [1.0] * PER_DAY}
# Three processes, forked from one that has imported what they need; prints how each ended.
PUBLISH = """
import json, os, sys
import include.backends.feast.materialize, include.features.features_step
from tests.support.wired import PublishFeaturesOperator
from tests.support.operator_runs import MODEL, Run

start, go = os.pipe()
racing = []
for given in json.loads(sys.argv[1]):
    racing.append(os.fork())
    if racing[-1] == 0:
        os.close(go)
        os.read(start, 1)  # ends for all of them at once
        Run(**given)(PublishFeaturesOperator(task_id="publish", model=MODEL))
        os._exit(0)
os.close(go)
print(json.dumps([os.waitpid(each, 0)[1] for each in racing]))
"""


def standing(life: Life, number: int = 1) -> Ref | None:
    """What is published for a day."""
    return published(life.services.control, MODEL, day(number), day(number)).get(day(number))


def audited(life: Life) -> list[str]:
    with life.services.control.transaction() as connection:
        return [row.action for row in connection.execute(sa.select(audit.c.action))]


def validated(life: Life) -> Run:
    run = Run({"day": "2013-01-01"})
    run(ValidateDataOperator(task_id="validate", model=MODEL))
    return run


def test_publishing_again_changes_nothing(life: Life) -> None:
    life.land(day(1))
    first = life.publish(day(1)).xcom["publish"]
    again = life.publish(day(1), Run({"day": "2013-01-01"}, run_id="backfill__2013-01-02", run_type="backfill")).xcom["publish"]
    assert first == again
    assert standing(life) == Ref.from_json(first)
    assert audited(life) == []


def test_a_corrected_partition_is_computed_anew_and_replaces_the_published_one(life: Life) -> None:
    life.land(day(1))
    old = Ref.from_json(life.publish(day(1)).xcom["publish"])
    life.land(day(1), orders=CHEAP)
    new = Ref.from_json(life.publish(day(1)).xcom["publish"])
    assert standing(life) == new != old
    assert audited(life) == ["replace_partition"]
    assert life.services.ledger.verify(life.services.ledger.resolve(old)) == []  # what trained on it can still be traced


def test_a_zombie_cannot_publish_what_it_read_before_the_correction(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old run is paused in the middle of its work; the corrected day is published; the old run wakes up."""
    life.land(day(1))
    old = validated(life)

    def paused(*arguments: Any) -> Result:
        monkeypatch.setattr("operators.base.perform", perform)
        result = perform(*arguments)
        life.land(day(1), orders=CHEAP)
        life.publish(day(1))
        return result

    monkeypatch.setattr("operators.base.perform", paused)
    with pytest.raises(SupersededError) as refused:
        old(PublishFeaturesOperator(task_id="publish", model=MODEL))
    assert_says(refused.value, "changed since", "the published partition stays", "clear the run from its first task")
    stands = standing(life)
    assert stands is not None
    prices = life.table(life.services.ledger.resolve(stands), "entities.parquet")["price"]
    assert set(prices.to_pylist()) == {1.0}


def test_a_publisher_that_is_fenced_changes_nothing(life: Life) -> None:
    life.land(day(1))
    stands = Ref.from_json(life.publish(day(1)).xcom["publish"])
    control = life.services.control
    late = control.take(resource(MODEL, day(1)), "the late one")
    control.take(resource(MODEL, day(1)), "the newer one")
    with pytest.raises(FencedError) as refused:
        publish(control, MODEL, day(1), Ref("elsewhere", "0" * 64, "features"), {}, late)
    assert_says(refused.value, "was taken over by the newer one", "this attempt changed nothing")
    assert standing(life) == stands


@pytest.mark.thorough
def test_three_processes_that_publish_one_day_at_once_publish_it_once(life: Life) -> None:
    life.land(day(1))
    run = validated(life)
    runs = [{"params": run.params, "run_id": f"manual__{n}", "xcom": run.xcom} for n in range(3)]
    command = [sys.executable, "-c", PUBLISH, json.dumps(runs)]
    raced = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, text=True, check=False)
    assert raced.stdout.splitlines()[-1:] == ["[0, 0, 0]"], raced.stderr[-4000:]
    with life.services.control.transaction() as connection:
        done = [row.result["changed"] for row in connection.execute(sa.select(effects.c.result).order_by(effects.c.at))]
    assert done.count(True) == 1
    results = [path for path in life.services.storage.list("ledger/features") if path.endswith("result.json")]
    assert len(results) == 1


def test_a_partition_that_changes_under_the_run_is_refused(life: Life) -> None:
    """It was validated, then written again: what was not validated is not published."""
    life.land(day(1))
    run = validated(life)
    request = run.request(PublishFeaturesOperator(task_id="publish", model=MODEL), life.services)
    life.land(day(1), orders=CHEAP)
    with pytest.raises(IntegrityError) as refused:
        perform(request, life.services.ledger.open_attempt(request.key, 0), life.services.ledger, life.services.settings)
    assert_says(refused.value, "orders partition of 2013-01-01 changed", "nothing was computed", "clear the run")
    assert standing(life) is None


def test_a_task_without_its_upstream_result_says_which_one_to_clear(life: Life) -> None:
    life.land(day(1))
    with pytest.raises(DataError, match=r"(?s)'validate' left no result.*clear 'validate'"):
        Run({"day": "2013-01-01"})(PublishFeaturesOperator(task_id="publish", model=MODEL))


def test_materializing_brings_the_newest_values_online_and_never_goes_back(life: Life) -> None:
    for number in (1, 2):
        life.land(day(number))
    runs = {number: life.publish(day(number)) for number in (1, 2)}
    (view,) = present_views(life.services.spec(MODEL).features)
    report = life.materialize(runs[2])["views"]["customer"]
    assert report["written"] == report["compared"] == report["entities"] > 0
    bought = set(orders_of(day(1))["customer"].to_pylist()) & set(orders_of(day(2))["customer"].to_pylist())
    keys = [(customer,) for customer in sorted(bought)]
    before = life.services.online().event_times(MODEL, view, keys)
    assert all(time.date() == day(2) for time in before)

    older = life.materialize(runs[1])["views"]["customer"]  # a backfill of an older day, afterwards
    assert older["written"] == older["entities"] - older["newer"]
    assert older["newer"] == len(keys)
    assert life.services.online().event_times(MODEL, view, keys) == before
    assert life.materialize(runs[2])["views"]["customer"]["written"] == 0  # the same day again


def test_a_late_materializer_is_fenced_by_its_day(life: Life) -> None:
    run = Run(xcom={"publish": life.commit("features", {"day": "2013-01-02"}, {})})
    operator = run.task(MaterializeFeaturesOperator(task_id="materialize", model=MODEL))
    assert operator.resource(run.context("materialize")) == "materialize/shop/2013-01-02"
