"""Precomputed scores: what a batch gave to an entity, as a view of the online store that no author declares.

It lies beside the model's own views under the entity's keys, is read in the same round trip, and is no input of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.spec import Feature, ModelSpec, View
from include.problems.of import of_spec

NAME = "slipstream_precomputed"
OUTPUTS, VERSION, SCORED = "precomputed_outputs", "precomputed_version", "precomputed_at"
NAMES = (OUTPUTS, VERSION, SCORED)  # none is a feature's of a model with precomputed scores
SECOND = 1_000_000


class Precomputed(NamedTuple):
    """What a batch said of an entity."""

    output: float | list[float]  # as the model gave it
    version: int
    at: float  # seconds since 1970: the moment that its row asked about

    def age(self, moment: datetime) -> float:
        """Seconds, at a moment in UTC without zone."""
        return max(0.0, (moment - _EPOCH).total_seconds() - self.at)


_EPOCH = datetime.fromisoformat("1970-01-01")


def view_of(spec: ModelSpec) -> View | None:
    """The view; None for a model without precomputed scores."""
    if not spec.scoring.defaults:
        return None
    features = (
        Feature(name=OUTPUTS, dtype=f"vector[{len(of_spec(spec).outputs)}]"), Feature(name=VERSION, dtype="int"),
        Feature(name=SCORED),
    )  # fmt: skip
    return View(name=NAME, keys=spec.features.keys, features=features, ttl=spec.scoring.ttl)


def rows_of(spec: ModelSpec, scores: pa.Table) -> pa.Table:
    """The view's rows from a batch's (include/scoring/scored.py). Rows of which no version is said are left out."""
    problem, found = of_spec(spec), scores.filter(pc.is_valid(scores["version"]))
    if problem.outputs_add_up:
        shares = found["probabilities"].combine_chunks()
        columns = [shares.field(name).to_numpy(zero_copy_only=False) for name in problem.outputs]
    else:
        columns = [found[name].to_numpy() for name in problem.outputs]
    numbers = np.stack(columns, axis=1).astype(np.float32).ravel()
    offsets = np.arange(len(found) + 1, dtype=np.int32) * len(problem.outputs)
    seconds = pc.divide(found["event_timestamp"].cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64()), float(SECOND))
    return pa.table(
        {
            **{key: found[key] for key in spec.features.keys},
            "event_timestamp": found["event_timestamp"],
            OUTPUTS: pa.ListArray.from_arrays(pa.array(offsets), pa.array(numbers)),
            VERSION: found["version"].cast(pa.int64()),
            SCORED: seconds,
        }
    )


def taken(values: dict[str, Any]) -> Precomputed | None:
    """What is known of an entity, out of its values, which no longer hold it then."""
    outputs, version, at = (values.pop(name, None) for name in NAMES)
    if outputs is None or version is None or at is None:
        return None
    return Precomputed(outputs[0] if len(outputs) == 1 else outputs, int(version), at)


def nothing_else(values: Mapping[str, Any]) -> bool:
    """Whether no view of the model's own knows anything."""
    return all(name in NAMES for name in values)
