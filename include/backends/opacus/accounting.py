"""What a fit by DP-SGD spends: from a wanted epsilon to the noise, and from the steps that were made to the epsilon.

By Renyi differential privacy (Mironov 2017; of the subsampled Gaussian, Mironov, Talwar, Zhang 2019), which never says less than
was spent. A step is one sample by Poisson and one noisy gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

from include.core.errors import SpecError
from include.core.spec import PrivateTraining

ACCOUNTANT = "rdp"
Spent = tuple[float, float, int]
"""The noise multiplier, the share of the rows that a step samples, and so many steps of that."""


def noise_of(asked: PrivateTraining, sample_rate: float, steps: int) -> float:
    """The noise multiplier of a fit of so many steps. Raises SpecError for an epsilon that no noise gives."""
    if asked.noise_multiplier is not None:
        return asked.noise_multiplier
    from opacus.accountants.utils import get_noise_multiplier

    try:
        wanted = {"target_epsilon": asked.epsilon, "target_delta": asked.delta, "sample_rate": sample_rate, "steps": steps}
        return float(get_noise_multiplier(**wanted, accountant=ACCOUNTANT))
    except ValueError as error:
        raise SpecError(
            f"No noise gives a fit of {steps:,} steps an epsilon of {asked.epsilon:g}.",
            seen=str(error), safe="nothing was trained.",
            hint="allow for a larger epsilon, fewer epochs, or smaller batches of more rows.",
        ) from error  # fmt: skip


def epsilon_of(spent: Sequence[Spent], delta: float) -> float:
    """Of all steps that were made."""
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [tuple(each) for each in spent if each[2]]
    return float(accountant.get_epsilon(delta)) if accountant.history else 0.0
