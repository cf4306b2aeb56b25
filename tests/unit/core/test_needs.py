"""What an attempt is given reaches its job through one variable, which says nothing where nothing was asked for."""

from __future__ import annotations

import pytest

from include.backends.sagemaker.requests import VALUE
from include.core.needs import Needs
from include.core.spec.resources import Resources

MACHINES = Resources(cpus=192, memory_gb=24_576, gpus=16, accelerator="A100", nodes=256, placement="spread")
MOST = Needs(MACHINES, 512, 2419200.0, 1.9e9)


@pytest.mark.parametrize("needs", [Needs(Resources(gpus=1)), Needs(seconds=60.0, until=1.7e9), MOST, Needs(Resources(cpus=2), 4)])
def test_a_job_reads_what_was_handed_on(needs: Needs) -> None:
    assert Needs.received(needs.handed_on()) == needs


def test_nothing_is_handed_on_of_a_fit_without_needs_however_many_workers_it_has() -> None:
    assert Needs().handed_on() == Needs(workers=3).handed_on() == {}
    assert Needs.received({}) == Needs()


def test_the_longest_fits_into_a_variable_of_sagemaker() -> None:
    assert all(len(value) <= min(VALUE.values()) for value in MOST.handed_on().values())
