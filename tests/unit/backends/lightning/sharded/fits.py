"""What the fits of these tests are of."""

from __future__ import annotations

from typing import Any

import numpy as np

from include.backends.lightning.plan import Course, Plan
from include.training.job import Input, Rows

PLAN = Plan(tuple(Input(name) for name in "abc"), {}, Course(80, 16, 4, 7), checkpoint_every=3)  # 5 batches an epoch


def data() -> Any:
    from include.backends.lightning.fit import Data

    draw = np.random.default_rng(0)
    features = draw.normal(size=(80, 3)).astype(np.float32)
    labels = (features[:, 0] + 0.5 * draw.normal(size=80) > 0).astype(np.float32)
    return Data(Rows(features, labels), Rows(features[:20], labels[:20]))
