"""What the trained model says of rows, asked of all workers together: none of them has it whole."""

from __future__ import annotations

import numpy as np
import torch.distributed as dist

from include.backends.lightning.export import Probability, score
from include.backends.lightning.plan import Place, Plan
from include.backends.lightning.sharded.strategy import Whole
from include.training.job import Floats


def score_together(whole: Whole, plan: Plan, features: Floats, place: Place) -> Floats:
    """float32 [n] or [n, k], the same on every worker. Each does its part of the rows, in as many batches as the others."""
    model = Probability(whole, plan.inputs, plan.link)
    each = -(-len(features) // place.world)
    mine = np.take(features, range(each * place.rank, each * (place.rank + 1)), axis=0, mode="clip")
    said: list[Floats] = [np.empty(0, np.float32)] * place.world
    dist.all_gather_object(said, score(model, mine))
    return np.concatenate(said)[: len(features)]
