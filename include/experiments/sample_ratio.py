"""Whether the arms have the shares of the entities that they were given, asked at every look.

M. Lindon, A. Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022: the ratio of what a Dirichlet prior around
the planned shares makes of the counts, to what the planned shares make of them, exceeds 1 / alpha ever with probability alpha at
most while the shares are as planned. The prior is as sure as CONCENTRATION entities: near there a departure is found soonest.

An imbalance says that entities were lost, or counted, by arm: no other figure of the experiment means anything then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln

Floats = NDArray[np.float64]
CONCENTRATION = 10_000.0


def sample_ratio_p(control: ArrayLike, treatment: ArrayLike, share: float) -> Floats:
    """A p-value that is valid at every look. `share`: of the treatment, between 0 and 1; the counts are of entities."""
    few, many = np.asarray(treatment, np.float64), np.asarray(control, np.float64)
    prior = CONCENTRATION * share, CONCENTRATION * (1 - share)
    log_ratio = betaln(prior[0] + few, prior[1] + many) - betaln(*prior) - few * np.log(share) - many * np.log1p(-share)
    return np.asarray(np.exp(-np.maximum(log_ratio, 0.0)))
