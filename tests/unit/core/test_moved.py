"""Functions that have moved are loaded from where they are now."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from include.core.moved import MOVED, present
from include.core.reference import load


@pytest.mark.parametrize("former", sorted(MOVED))
def test_a_former_name_leads_to_the_function(former: str) -> None:
    assert load(former) is load(MOVED[former])
    assert present(former) == MOVED[former]


def test_no_present_module_stands_under_a_former_name_of_a_function() -> None:
    """Else a request that names the present one would be led astray."""
    for former in MOVED:
        module, _, name = former.partition(":")
        try:
            found = find_spec(module)
        except ModuleNotFoundError:  # its package is no more
            found = None
        assert found is None or not hasattr(__import__(module, fromlist=[name]), name), former


def test_what_has_not_moved_keeps_its_name() -> None:
    assert present("include.models.shop.train:fit") == "include.models.shop.train:fit"
