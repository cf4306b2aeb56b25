"""One leg of a trial: what is a finding, what is a fault of the whole search, and what another attempt may survive."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.errors import JobFailedError
from include.core.storage import LocalStorage
from include.training.search.leg import Undefined, Unsuitable, run_leg
from include.training.search.records import Leg, Records
from tests.support.search_example import HERE, material


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(LocalStorage(tmp_path), "search")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("value", "no such width"),
        ("nan", "120 outputs that are not finite"),
        ("memory", "of 3 GB"),
        ("runtime", "training.search.concurrent"),
    ],
)
def test_a_trial_that_fails_is_a_finding_with_its_reason(wrong: str, said: str, records: Records) -> None:
    leg = Leg({"wrong": wrong}, until=4)
    found = run_leg(leg, material(f"{HERE}:fit_wrong"), records)
    assert found.value is None
    assert said in found.error
    assert records.found(leg.key) == found


def test_the_network_is_no_fault_of_the_trial(records: Records) -> None:
    leg = Leg({"wrong": "network"}, until=4)
    with pytest.raises(JobFailedError, match="reset by peer"):
        run_leg(leg, material(f"{HERE}:fit_wrong"), records)
    assert records.found(leg.key) is None


def test_a_fit_without_rungs_is_measured_at_its_end_and_refused_before(records: Records) -> None:
    given = material(f"{HERE}:fit_logistic")
    found = run_leg(Leg({"c": 1.0}, until=4), given, records)
    assert found.value is not None
    assert 0 < found.value < 0.7
    assert found.epochs == 4
    with pytest.raises(Unsuitable, match="cannot be measured before its end"):
        run_leg(Leg({"c": 1.0}, until=1), given, records)


def test_a_metric_that_is_better_where_it_is_more_becomes_a_loss(records: Records) -> None:
    found = run_leg(Leg({"c": 1.0}, until=4), material(f"{HERE}:fit_logistic", metric="auc"), records)
    assert found.value is not None
    assert -1 < found.value < -0.7


def test_a_metric_without_a_value_is_wrong_with_the_whole_search(records: Records) -> None:
    given = material(f"{HERE}:fit_logistic", metric="auc")
    given.validation.labels[:] = 0
    with pytest.raises(Undefined, match="AUC is not defined on the validation rows"):
        run_leg(Leg({"c": 1.0}, until=4), given, records)


def test_what_was_found_is_not_fitted_again(records: Records) -> None:
    leg = Leg({"c": 1.0}, until=4)
    found = run_leg(leg, material(f"{HERE}:fit_logistic"), records)
    assert run_leg(leg, material("no.such:fit"), records) == found


def test_weights_that_are_lost_fail_the_trial_that_was_to_go_on_with_them(records: Records) -> None:
    found = run_leg(Leg({"c": 1.0}, until=4, start=1, parent="gone"), material(f"{HERE}:fit_logistic"), records)
    assert "no checkpoint matches its digest" in found.error
