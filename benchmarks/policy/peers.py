"""The usual policies: retrain when the last window's inputs differ from those that the champion was trained on.

KS: any column with p < .05. PSI: any column above .2, ten bins of the reference's deciles. Evidently: its default for a data
set (half of the columns drift; a column by KS with p < .05 up to 1,000 reference rows, beyond by the Wasserstein distance over
the reference's standard deviation, at .1), written down here; `make bench AREA=drift` checks that reading on Evidently itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from include.monitoring.retraining.labelled_stream import Floats, Stream
from include.monitoring.retraining.policy_replay import DELAY, TRAINED_ON, Known, Policy

SMALL = 1000  # reference rows up to which Evidently takes KS
Test = Callable[[Floats, Floats], bool]  # the window's column, the reference's


def ks(window: Floats, reference: Floats) -> bool:
    return bool(ks_2samp(window, reference, method="asymp").pvalue < 0.05)


def psi(window: Floats, reference: Floats) -> bool:
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)[1:-1]))
    shares = [np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) / len(each) for each in (window, reference)]
    a, b = (np.maximum(share, 1e-4) for share in shares)
    return bool(((a - b) * np.log(a / b)).sum() > 0.2)


def evidently(window: Floats, reference: Floats) -> bool:
    if len(reference) <= SMALL:
        return ks(window, reference)
    return bool(wasserstein_distance(window, reference) / max(float(reference.std()), 0.001) >= 0.1)


def on_inputs(stream: Stream, test: Test, share: float) -> Policy:
    """Retrain where at least this share of the columns differ (0: any column)."""

    def policy(known: Known) -> bool:
        last = known.now + TRAINED_ON + DELAY - 1  # the newest whole window of the stream; its labels need not be known
        window = stream.inputs[stream.rows(last, last + 1)]
        reference = stream.inputs[stream.rows(known.champion, known.champion + TRAINED_ON)]
        differ = [_differs(test, window[:, column], reference[:, column]) for column in range(window.shape[1])]
        return sum(differ) > 0 and sum(differ) >= share * len(differ)

    return policy


def _differs(test: Test, window: Floats, reference: Floats) -> bool:
    window, reference = window[~np.isnan(window)], reference[~np.isnan(reference)]
    return bool(len(window) and len(reference)) and test(window, reference)


def peers(stream: Stream) -> dict[str, Policy]:
    return {
        "KS p < .05 on any column": on_inputs(stream, ks, 0.0),
        "PSI > .2 on any column": on_inputs(stream, psi, 0.0),
        "Evidently default": on_inputs(stream, evidently, 0.5),
    }
