"""The port of batch scoring: a table's batches, scored in this process or on a cluster."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from include.core.adapters import adapter
from include.core.environment import RAY_ADDRESS
from include.core.settings import Settings
from include.scoring.scorer import Scorer, batches

Mapper = Callable[[pa.Table, Scorer], list[pa.Table]]


def open_mapper(settings: Settings) -> Mapper:
    """Gives the scored batches in the order of the rows: on Ray Data inside a Ray job (which has RAY_ADDRESS), else here."""
    if settings.job_backend == "ray" and RAY_ADDRESS.read(settings.environ):
        mapper: Mapper = adapter("batches.ray")
        return mapper
    return lambda rows, scorer: [scorer(batch) for batch in batches(rows)]
