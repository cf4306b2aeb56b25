"""A look as a whole: nothing to do costs no write; a kill at any point, and two at once, do nothing twice; nothing is hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.core import fault
from include.core.control import audit, effects
from include.core.errors import UnreachableError
from include.core.fault import Fault, ResponseLost
from include.reconcile.airflow import NoAirflow
from include.reconcile.run import SECTIONS
from include.routing.route import read_route
from tests.support.fake_airflow import RunState
from tests.unit.reconcile.conftest import MODEL, ROLLOUT, TRAINING, Place, Writes


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    fault.arm(None)


def canary(place: Place) -> Place:
    place.champion(1)
    place.version(2)
    place.canary()
    return place


def orphan(place: Place) -> None:
    """Whose grace time is over."""
    canary(place)
    place.airflow.runs[ROLLOUT, "r1"] = RunState.FAILED
    place.look()
    place.later(minutes=6)


def orphan_to_resume(place: Place) -> None:
    place.orphaned(orphaned="resume")
    orphan(place)


def candidate(place: Place) -> None:
    place.version(1)
    place.airflow.dags[ROLLOUT] = False


def old_candidates(place: Place) -> None:
    place.version(1)
    place.version(2)
    place.champion(3)


def decision(place: Place) -> None:
    place.decided(quiet=False)
    place.airflow.dags[TRAINING] = False


SITUATIONS: tuple[Callable[[Place], None], ...] = (orphan, orphan_to_resume, candidate, old_candidates, decision)
POINTS = ("control.once.begin", "control.once.effect", "control.once.committed", "reconciler.noted", "reconciler.triggered")


def end_of(place: Place) -> object:
    """What has come of it, as far as anybody can see."""
    with place.control.transaction() as connection:
        rows = connection.execute(sa.select(audit.c.action).order_by(audit.c.seq)).scalars().all()
        kept = connection.execute(sa.select(effects.c.resource).where(effects.c.resource == "reconcile")).all()
    told = sorted(place.told())
    return rows, len(kept), told, place.airflow.made, place.stages(), read_route(place.control, MODEL)[1]


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_next_one_goes_on_and_nothing_happens_twice(
    place: Place, situation: Callable[[Place], None], point: str
) -> None:
    situation(place)
    fault.arm(Fault(point, "lose", mark=str(place.home / "mark")))  # the rest of this look is not done
    place.look()
    fault.arm(None)
    for _ in range(3):
        place.look()
    actions, kept, told, made, _, _ = end_of(place)  # type: ignore[misc]
    assert len(made) == len({run for _, run, _ in made}) == (situation in (orphan_to_resume, candidate, decision))
    assert len(told) == len(set(told)) == kept
    assert actions.count("rollout.roll_back") == (situation is orphan)
    assert actions.count("candidate.superseded") == 2 * (situation is old_candidates)
    assert place.control.broken_audit_rows() == []


@pytest.mark.parametrize("situation", SITUATIONS)
def test_two_at_once_do_it_once(anywhere: Place, situation: Callable[[Place], None]) -> None:
    situation(anywhere)
    before = len(anywhere.told())
    with ThreadPoolExecutor(4) as pool:
        changed = [report.changed for report in pool.map(lambda _: anywhere.look(), range(4))]
    assert sum(map(len, changed)) >= 1
    assert len(anywhere.airflow.made) == (situation in (orphan_to_resume, candidate, decision))
    told = [event for event in anywhere.told() if event != "rollout_driven"]  # the last of them may see the run that was made
    assert len(told) == before + 1
    assert anywhere.control.broken_audit_rows() == []


def many(place: Place, count: int = 12) -> None:
    """Models at rest, all that they ever did behind them; one rollout that is driven."""
    canary(place)
    place.version(3)  # waits for the end of the live rollout
    place.version(4, "Staging")
    key = place.decided(quiet=False)
    place.control.once(f"consumed/{key}", f"training/{MODEL}", 0, lambda _: {"run": "t1"})
    place.running(TRAINING, "t1", train="running")
    place.published(*(place.now.date() - timedelta(days=number) for number in range(1, count)))


def test_where_there_is_nothing_to_do_nothing_is_written(place: Place, writes: Writes) -> None:
    many(place)
    place.look()
    writes.seen.clear()
    for _ in range(5):
        assert place.look().to_json() == {"found": [], "changed": [], "unknown": {}}
    assert writes.seen == []


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_dry_run_writes_nothing_and_finds_the_same(place: Place, writes: Writes, situation: Callable[[Place], None]) -> None:
    situation(place)
    writes.seen.clear()
    found = place.look(dry_run=True).found
    assert (writes.seen, place.airflow.made) == ([], [])
    assert place.look().found == found


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_done_and_cannot_be_mended_is_written_down_once(
    place: Place, writes: Writes, situation: Callable[[Place], None]
) -> None:
    situation(place)
    for dag_id in place.airflow.dags:
        place.airflow.dags[dag_id] = True
    place.look()
    place.look()
    writes.seen.clear()
    place.look()
    assert writes.seen == []


def test_an_airflow_that_does_not_answer_is_reported_and_changes_nothing(place: Place) -> None:
    orphan(place)
    place.airflow.away = True
    report = place.look()
    assert isinstance(report.unknown["rollouts"], UnreachableError)
    assert isinstance(report.failure, UnreachableError)
    assert read_route(place.control, MODEL)[1].weight == 5


def test_a_job_backend_that_does_not_answer_fails_nothing_and_is_named(place: Place) -> None:
    def away() -> object:
        raise UnreachableError("Ray does not answer.")

    report = place.look(jobs=away)
    assert (list(report.unknown), report.failure) == (["jobs"], None)


def test_a_row_that_nobody_can_read_keeps_no_other_section_from_its_work(place: Place) -> None:
    candidate(place)
    key = place.decided(quiet=False)
    with place.control.transaction() as connection:
        connection.execute(sa.text("UPDATE slipstream_decisions SET at = 'nonsense'"))
    report = place.look()
    assert "ValueError" in report.unknown["decisions"].what
    assert (report.failure, place.airflow.made[0][0]) == (report.unknown["decisions"], ROLLOUT)
    assert key


def test_without_airflow_it_finds_what_the_stores_alone_say_and_names_the_rest(place: Place) -> None:
    old_candidates(place)
    place.decided(quiet=False)
    report = place.look(airflow=NoAirflow(), dry_run=True)
    assert [finding.kind for finding in report.found] == ["candidate.superseded"]
    assert list(report.unknown) == ["decisions"]
    assert "no connection to Airflow" in report.unknown["decisions"].what


def test_the_sections_are_looked_at_traffic_first() -> None:
    assert next(iter(SECTIONS)) == "rollouts"


def test_an_alert_waits_a_day_to_be_sent_and_is_forgotten_then(place: Place) -> None:
    candidate(place)
    place.look()
    assert place.told() == ["candidate_turn"]
    place.control.once(f"told/turn/{MODEL}/1", "alerts", 0, lambda _: {})
    assert place.told() == []
    place.decided(quiet=False)
    place.airflow.dags[TRAINING] = False
    place.look()
    place.later(hours=25)
    assert place.told() == []


def test_an_answer_of_airflow_that_got_lost_makes_no_second_run(place: Place) -> None:
    candidate(place)
    made = place.airflow.trigger

    def lose(*args: object) -> bool:
        made(*args)  # type: ignore[arg-type]
        raise ResponseLost("the response was lost")

    place.airflow.trigger = lose  # type: ignore[method-assign,assignment]
    place.look()
    place.airflow.trigger = made  # type: ignore[method-assign]
    place.look()
    assert len(place.airflow.made) == 1
