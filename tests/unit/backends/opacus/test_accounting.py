from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.core.spec import PrivateTraining
from tests.support.later import Later

pytestmark = pytest.mark.lives  # Opacus imports torch, which takes seconds

accounting = Later("include.backends.opacus.accounting")


def test_the_noise_of_an_epsilon_spends_no_more() -> None:
    asked = PrivateTraining(epsilon=3.0, delta=1e-5)
    noise = accounting.noise_of(asked, 0.01, 1000)
    spent = accounting.epsilon_of([(noise, 0.01, 1000)], 1e-5)
    assert 2.9 < spent <= 3.0 + 1e-6
    assert accounting.noise_of(PrivateTraining(noise_multiplier=0.7), 0.01, 1000) == 0.7


def test_parts_of_a_fit_add_up() -> None:
    """As one that was killed and gone on with says them."""
    whole = accounting.epsilon_of([(1.0, 0.02, 300)], 1e-5)
    assert accounting.epsilon_of([(1.0, 0.02, 100), (1.0, 0.02, 200)], 1e-5) == pytest.approx(whole, abs=1e-9)
    assert accounting.epsilon_of([(1.0, 0.02, 100)], 1e-5) < whole
    assert accounting.epsilon_of([], 1e-5) == 0


def test_an_epsilon_that_no_noise_gives_is_refused() -> None:
    with pytest.raises(SpecError, match="No noise gives"):
        accounting.noise_of(PrivateTraining(epsilon=0.001, delta=1e-12), 1.0, 10_000_000)
