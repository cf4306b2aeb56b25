"""Days that landed and are unpublished get their run, or a person is told; what is as it should be costs no question."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.fake_airflow import RunState
from tests.unit.reconcile.conftest import FEATURES, MODEL, Place

TODAY = date(2026, 6, 20)


def days_ago(number: int) -> date:
    return TODAY - timedelta(days=number)


@pytest.fixture
def place(place: Place) -> Place:
    """The days up to three days ago are published; day 5 before today is not, though it landed."""
    place.now = datetime(2026, 6, 20, 12, tzinfo=UTC)
    place.airflow.dags[FEATURES] = False
    place.published(*(days_ago(number) for number in range(3, 20) if number != 5))
    place.landed(days_ago(5))
    return place


def test_where_all_is_published_nobody_is_asked(place: Place) -> None:
    place.published(days_ago(5))
    assert place.look().found == []
    assert place.airflow.asked == 0


def test_a_gap_is_reported_once(place: Place) -> None:
    for _ in range(3):
        (finding,) = place.look().found
        assert finding.summary == f"{days_ago(5)} landed and is unpublished"
        assert f"slipstream features catch-up {MODEL} --dry-run" in finding.remedy
    assert (place.told(), place.airflow.made) == (["day_unpublished"], [])


def test_with_a_landing_trigger_its_run_is_made_one_day_at_a_time(place: Place) -> None:
    place.landing()
    place.landed(days_ago(2))
    place.look()
    assert place.airflow.made == [(FEATURES, f"reconciled__day-{days_ago(5)}", {"day": str(days_ago(5))})]
    assert place.look().found == []  # it is under way
    place.airflow.runs = dict.fromkeys(place.airflow.runs, RunState.SUCCESS)
    place.published(days_ago(5))
    place.look()
    assert [conf["day"] for _, _, conf in place.airflow.made] == [str(days_ago(5)), str(days_ago(2))]


def test_a_day_that_does_not_validate_fails_once_and_is_reported(place: Place) -> None:
    place.landing()
    place.look()
    place.airflow.runs = dict.fromkeys(place.airflow.runs, RunState.FAILED)
    for _ in range(3):
        (finding,) = place.look().found
        assert "the run that was made for it is over" in finding.summary
    assert (len(place.airflow.made), place.told()) == (1, ["day_unpublished", "day_unpublished"])


def test_a_paused_dag_is_reported(place: Place) -> None:
    place.landing()
    place.airflow.dags[FEATURES] = True
    (finding,) = place.look().found
    assert (finding.summary.endswith(f"the DAG {FEATURES} is paused"), place.airflow.made) == (True, [])


def test_a_run_that_airflow_refuses_is_reported(place: Place) -> None:
    place.landing()
    place.airflow.broken = True
    place.look()
    assert place.told() == ["day_unpublished", "day_unpublished"]


def test_a_day_of_which_one_source_is_missing_has_not_landed(place: Place) -> None:
    place.published(days_ago(5))
    place.landed(days_ago(2), "things")
    assert place.look().found == []


@pytest.mark.parametrize(("hours", "found"), [(24 + 24 + 5, 0), (24 + 24 + 7, 1)])
def test_a_day_may_take_its_time(place: Place, hours: int, found: int) -> None:
    """Its run fires within the day after, and is retried."""
    place.published(days_ago(5))
    place.landed(days_ago(2))
    place.now = datetime(2026, 6, 18, tzinfo=UTC) + timedelta(hours=hours)
    assert len(place.look().found) == found


def test_a_replay_of_the_past_is_nobodys_neglect(place: Place) -> None:
    """A source whose newest day is of another year comes day by day, when a person asks; gaps before it are told all the same."""
    place.published(days_ago(5))
    place.landed(days_ago(2))
    place.now = datetime(2027, 6, 20, 12, tzinfo=UTC)
    assert place.look().found == []


def test_runs_under_way_may_bring_it(place: Place) -> None:
    place.running(FEATURES, "backfill__1")
    assert place.look().found == []


def test_a_model_that_nobody_has_started_is_left_alone_unless_landing_starts_it(place: Place) -> None:
    from include.core.control import partitions

    with place.control.transaction() as connection:
        connection.execute(partitions.delete())
    place.landed(place.spec.data.first)
    assert place.look().found == []
    place.landing()
    place.look()
    assert [conf["day"] for _, _, conf in place.airflow.made] == [str(place.spec.data.first)]


def test_days_before_the_first_and_after_the_last_are_nobodys(place: Place) -> None:
    data = place.spec.data.model_copy(update={"first": days_ago(4), "last": days_ago(3)})
    place.spec = place.spec.model_copy(update={"data": data})
    place.landed(days_ago(2))
    assert place.look().found == []


def test_a_model_whose_spec_is_broken_keeps_no_other_from_its_turn(place: Place) -> None:
    from include.core.errors import SpecError

    def spec(name: str) -> object:
        if name == "broken":
            raise SpecError("no")
        return place.spec

    assert len(place.look(spec=spec, models=("broken", MODEL)).found) == 1
