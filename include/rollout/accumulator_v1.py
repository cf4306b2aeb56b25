"""The first version of a live rollout's stored evidence: the attributes of two classes as their names happened to be.

Fields that had come in later, with a default, could be missing. Version 2 names all of them (include/rollout/
evidence_accumulator.py), under the names that they had.
"""

from __future__ import annotations

from include.core.versioned import Body

_BASELINE: Body = {"requests": 0, "errors": 0, "labels": 0, "latencies": [], "scores": []}
_STAGE: Body = {"before": 0, "before_errors": 0, "clock": 0, "gap": 0.0, "gaps": 0, "slices": {}, "seen": {}}
_NOTHING_PENDING = {"ids": "", "units": "", "bits": ""}


def from_first(body: Body) -> Body:
    """Version 2 of it: the same facts, with every field there."""
    stage = body["stage"]
    if stage:
        stage = {**_STAGE, "pending": dict(_NOTHING_PENDING), **stage}
    return {**body, "baseline": {**_BASELINE, **body["baseline"]}, "stage": stage}
