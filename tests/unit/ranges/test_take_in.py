"""A range without Airflow: killed anywhere it goes on, a day that fails is named alone, two at once share the days."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest

from include.core.advisory_lock import advisory_lock
from include.core.digest import PROJECT
from include.core.errors import DataError, JobFailedError, NotReadyError
from include.core.partition import Partition
from include.core.request import Result
from include.core.task import perform
from include.data.published import published
from include.features.request import features_request
from include.ranges import take_in as take_in_module
from include.ranges.progress import read_all
from include.ranges.span import CHUNK
from include.ranges.take_in import _of_everything
from include.validation.request import verdict_request
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life, day
from tests.support.range_runs import DAYS, KILLS, taken_in
from tests.unit.operators.models.shop.orders import PER_DAY

DEAR = {"price": [1000.0] * 4 + [5.0] * (PER_DAY - 4)}  # four rows are set aside
WRONG = {"currency": ["USD"] * PER_DAY}  # stops the day
POINTS = ("range.chunk.taken", "range.day.made", "range.day.published", "range.chunk.online")


def standing(life: Life) -> dict[int, Result]:
    """The published results, by the number of their day."""
    refs = published(life.services.control, MODEL, day(1), day(31))
    return {when.start.day: life.services.ledger.resolve(ref) for when, ref in refs.items()}


def by_the_steps(life: Life, number: int) -> tuple[str, str]:
    """Digests of a day's verdict and features, computed once more by the steps themselves."""
    services, digests = life.services, []
    spec, ledger = services.spec(MODEL), services.ledger
    request = verdict_request(spec, day(number), services.storage)
    for _ in range(2):
        generation = ledger.open_generation(request.key, "by the steps", "a test")
        result = perform(request, ledger.open_attempt(request.key, generation), ledger, services.settings)
        digests.append(result.digest)
        request = features_request(spec, day(number), services.storage, ledger.ref(result))
    return digests[0], digests[1]


@pytest.mark.thorough
@pytest.mark.parametrize("price", [DEAR, None], ids=["rows set aside", "all good"])
def test_a_day_of_a_range_is_to_the_byte_what_the_steps_make_of_it(life: Life, price: dict[str, list[float]] | None) -> None:
    for number in range(1, 5):
        life.land(day(number), orders=price if number == 2 else None)
    taken_in(life.services, 1, 4)
    for number, result in standing(life).items():
        request = life.services.ledger.request(result.key)
        verdict = life.services.ledger.resolve(request.inputs["verdict"])
        assert by_the_steps(life, number) == (verdict.digest, result.digest), number


def test_killed_at_each_of_its_points_it_goes_on_and_makes_nothing_twice(life: Life, tmp_path: Path) -> None:
    for number in range(1, DAYS + 1):
        life.land(day(number))
    trace = tmp_path / "trace"
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "tests.support.range_runs", str(trace)]
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["signals"] == [9] * len(KILLS)
    assert (told["found"], told["made"]) == (DAYS, 0)
    assert set(POINTS) <= {point for point, _ in KILLS}
    begun = [line for line in trace.read_text().splitlines() if line.startswith("task.begin ")]
    assert len(begun) == 2 * DAYS + 1  # the one that was killed after it had computed, before its commit
    assert sorted(standing(life)) == list(range(1, DAYS + 1))


def test_days_that_fail_are_named_and_hold_nothing_up(life: Life) -> None:
    for number in (1, 2, 4, 5):
        life.land(day(number), orders=WRONG if number == 2 else None)
    with pytest.raises(DataError) as refused:
        taken_in(life.services, 1, 5)
    assert_says(
        refused.value, "2 of 5 days of shop could not be taken in: 2013-01-02, 2013-01-03", "the other 3 days are published",
        'airflow dags trigger shop_features_range --conf \'{"from": "2013-01-02", "to": "2013-01-03"}\'',
    )  # fmt: skip
    assert sorted(standing(life)) == [1, 4, 5]
    assert standing(life)[4].value["lacked"] == {"orders": ["2013-01-03"], "returns": ["2013-01-03"]}
    (progress,) = read_all(life.services.storage, MODEL)
    assert (progress.state, sorted(progress.failed)) == ("failed", ["2013-01-02", "2013-01-03"])
    for number in (2, 3):
        life.land(day(number))
    again = taken_in(life.services, 1, 5, run="another")
    assert (again.found, again.made) == (1, 4)  # the days that had read the others as they were are made again
    assert sorted(standing(life)) == [1, 2, 3, 4, 5]


def test_what_another_range_holds_is_left_to_it_and_looked_at_afterwards(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has the chunk until this one has asked twice."""
    for number in (1, 2):
        life.land(day(number))
    chunk = day(1).toordinal() // CHUNK
    held = advisory_lock(life.services.control, f"range/{MODEL}/{chunk}", 0, f"range-{MODEL}-{chunk % 64}")
    assert held.__enter__()
    said: list[str] = []

    def say(words: str) -> None:
        said.append(words)
        if "another range" in words:
            assert not standing(life)
            held.__exit__(None, None, None)

    done = taken_in(life.services, 1, 2, say=say)
    assert any("2013-01-01 to 2013-01-02 is in the hands of another range" in words for words in said)
    assert (done.made, done.elsewhere) == (2, 0)


def test_days_before_the_first_partition_are_refused_at_once(life: Life) -> None:
    for number in (3, 4):
        life.land(day(number))
    with pytest.raises(DataError) as refused:
        taken_in(life.services, 1, 4)
    assert_says(refused.value, "the first day there is is 2013-01-03", "nothing was computed", "begin the range with 2013-01-03")
    assert not list(read_all(life.services.storage, MODEL))


def test_a_store_that_is_away_ends_the_run_and_a_day_that_cannot_be_made_does_not() -> None:
    from include.core.errors import UnreachableError

    assert _of_everything(UnreachableError("the control store"))
    assert not any(map(_of_everything, (NotReadyError("?"), JobFailedError("?"), DataError("?"))))


def test_a_corrected_partition_replaces_what_was_published(life: Life) -> None:
    for number in (1, 2):
        life.land(day(number))
    taken_in(life.services, 1, 2)
    before = standing(life)
    life.land(day(2), orders={"price": pa.array([7.0] * PER_DAY)})
    again = taken_in(life.services, 1, 2, run="another")
    assert (again.found, again.made) == (1, 1)
    assert standing(life)[1] == before[1]
    assert standing(life)[2].digest != before[2].digest


@pytest.mark.parametrize(
    ("together", "calls"), [(4, [[11, 12, 13]]), (1, [[11], [12, 13]])], ids=["several chunks", "each chunk"]
)
def test_chunks_are_brought_online_together_and_let_go_of_then(
    life: Life, monkeypatch: pytest.MonkeyPatch, together: int, calls: list[list[int]]
) -> None:
    """A border of chunks is between the 11th and the 12th."""
    seen: list[list[int]] = []
    chunks = sorted({day(number).toordinal() // CHUNK for number in (11, 12)})

    def free() -> list[bool]:
        locks = [advisory_lock(life.services.control, "test", 0, f"range-{MODEL}-{chunk % 64}") for chunk in chunks]
        with ExitStack() as opened:
            return [opened.enter_context(lock) for lock in locks]

    def online(spec: object, results: dict[Partition, Result], *others: object) -> None:
        del spec, others
        seen.append([each.start.day for each in results])
        assert not free()[-1]

    monkeypatch.setattr(take_in_module, "bring_online", online)
    monkeypatch.setattr(take_in_module, "ONLINE", together)
    for number in (11, 12, 13):
        life.land(day(number))
    life.services.spec(MODEL)
    taken_in(life.services, 11, 13)
    assert seen == calls
    assert free() == [True, True]
