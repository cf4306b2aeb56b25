"""A fit in legs is the fit in one: measured at its rungs, killed or not; and it goes on with another trial's weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest

from include.core import fault
from include.core.errors import JobFailedError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.search.leg import run_leg
from include.training.search.records import Found, Leg, Records
from include.training.train_step import verify
from tests.support.search_example import HERE, PARAMS, fit_network, material

pytestmark = [pytest.mark.lives, pytest.mark.usefixtures("one_thread")]  # torch takes seconds to import


def records(folder: Path) -> Records:
    return Records(LocalStorage(folder), "search")


def legs(*until: int) -> list[Leg]:
    made: list[Leg] = []
    for each in until:
        made.append(Leg(PARAMS, each, made[-1].until if made else 0, made[-1].key if made else ""))
    return made


def course(folder: Path, *until: int, fit: str = f"{HERE}:fit_network") -> list[Found]:
    return [run_leg(leg, material(fit), records(folder)) for leg in legs(*until)]


def test_legs_end_where_one_fit_ends_and_tell_what_it_told(tmp_path: Path) -> None:
    one, many = course(tmp_path / "one", 4), course(tmp_path / "many", 1, 3, 4)
    assert many[-1].value == one[-1].value
    assert many[-1].history == one[-1].history
    assert [row["epoch"] for row in many[1].history] == [1, 2, 3]
    assert {found.epochs for found in many} == {1, 3, 4}
    assert len({found.value for found in many}) == 3
    assert not list((tmp_path / "many").rglob("model.onnx*")), "trials write no model"


def test_a_fit_that_stops_by_itself_says_so_wherever_its_rung_is(tmp_path: Path) -> None:
    stops = f"{HERE}:fit_that_stops"
    whole = course(tmp_path / "whole", 4, fit=stops)[0]
    assert whole.epochs == 2
    assert course(tmp_path / "legs", 1, 3, fit=stops)[-1] == replace(whole, seconds=ANY)
    at_the_rung = course(tmp_path / "at", 2, fit=stops)[0]
    assert at_the_rung.value == whole.value
    assert at_the_rung.epochs < 2, "it leaves nothing to go on with"


@pytest.mark.thorough
def test_a_trial_is_measured_as_the_trained_model_is(tmp_path: Path) -> None:
    (found,) = course(tmp_path, 4)
    given = material()
    store = CheckpointStore(LocalStorage(tmp_path), "plain")
    job = TrainingJob(given.train, given.validation, given.signature, PARAMS, store, tmp_path / "model.onnx", given.seed)
    fit_network(job)
    assert verify(job)["log_loss"] == pytest.approx(found.value, abs=2e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("step", [17, 3, 31])
def test_a_leg_that_is_killed_goes_on_from_its_checkpoint(step: int, tmp_path: Path) -> None:
    expected = course(tmp_path / "whole", 1, 2)
    fault.arm(fault.Fault("train.step", "lose", skip=step))
    try:
        with pytest.raises(JobFailedError):
            both(tmp_path / "killed")
    finally:
        fault.arm(None)
    assert [each.value for each in both(tmp_path / "killed")] == [each.value for each in expected]


def both(folder: Path) -> list[Found]:
    return course(folder, 1, 2)


def exploit(folder: Path, **params: float) -> Found:
    (first,) = legs(1)
    run_leg(first, material(), records(folder))
    changed = {**PARAMS, **params}
    return run_leg(Leg(changed, 2, 1, first.key, PARAMS if params else None), material(), records(folder))


def test_other_parameters_take_effect_on_the_weights_of_another_trial(tmp_path: Path) -> None:
    """The optimizer's state and the module's attributes, which the checkpoint holds, would else keep the old ones."""
    same = exploit(tmp_path / "same").value
    assert exploit(tmp_path / "none", learning_rate=1e-12).value != same
    stood = course(tmp_path / "stood", 1)[0].value
    assert exploit(tmp_path / "none", learning_rate=1e-12).value == pytest.approx(stood, abs=1e-6), "no rate, no step"
    assert exploit(tmp_path / "dropout", dropout=0.6).value != same


def test_an_exploit_that_is_killed_is_the_undisturbed_one(tmp_path: Path) -> None:
    expected = exploit(tmp_path / "whole", learning_rate=2e-2, dropout=0.3).value
    fault.arm(fault.Fault("train.step", "lose", skip=16 + 5))
    try:
        with pytest.raises(JobFailedError):
            exploit(tmp_path / "killed", learning_rate=2e-2, dropout=0.3)
    finally:
        fault.arm(None)
    assert exploit(tmp_path / "killed", learning_rate=2e-2, dropout=0.3).value == expected


def test_weights_of_another_shape_are_refused_with_the_setting(tmp_path: Path) -> None:
    found = exploit(tmp_path, hidden=16)
    assert "perturb=False" in found.error
