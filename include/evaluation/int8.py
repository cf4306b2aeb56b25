"""The INT8 variant of a model: weights of 8 bits, a quarter of the bytes, faster where matrices are wide.

Not always: a small network is slower with it (measured: 4.0 to 5.9 microseconds a row; 47 to 19 on layers of 1,024).
So the variant has a gate of its own, and the model as it was trained is what stands where it stays closed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from include.core.request import Json
from include.core.spec import Evaluation
from include.evaluation.latency import LATENCY_ROWS, measure_in_turns
from include.metrics.arrays import Values
from include.metrics.binary import measure, worse_by
from include.model_contract.model import Floats, open_model, quantize

FILE = "model.int8.onnx"


def variant(path: Path, target: Path, rows: Floats, labels: Values, spec: Evaluation, threshold: float) -> dict[str, Json]:
    """Quantise the model at `path` into `target`, and measure both side by side on the same rows.

    {"accepted", "reason", "metrics", "latency_ms", "bytes", "largest_difference"}; only the first two where it cannot
    be quantised at all.
    """
    full = open_model(path)
    try:
        quantize(path, target)
        small = open_model(target)
        scores = small.score(rows)
    except Exception as error:  # noqa: BLE001 - the quantiser knows not every operator, and says so in many ways
        return {"accepted": False, "reason": f"it cannot be quantised: {str(error).strip()[:200]}"}
    before = full.score(rows)
    latency = measure_in_turns([small, full], rows[:LATENCY_ROWS])  # both in the same minutes, for they are compared
    found: dict[str, Json] = {
        "metrics": measure(labels, scores, threshold),
        "latency_ms": latency[0],
        "bytes": target.stat().st_size,
        "largest_difference": float(np.abs(scores - before).max()),
    }
    reason = _reason(found, {"metrics": measure(labels, before, threshold), "latency_ms": latency[1]}, spec)
    return {"accepted": not reason, "reason": reason, **found}


def _reason(small: dict[str, Json], full: dict[str, Json], spec: Evaluation) -> str:
    """Why the variant may not serve; empty if it may."""
    ours, theirs = (each["metrics"][spec.metric] for each in (small, full))
    if ours is None or theirs is None:
        return f"{spec.metric} is not defined on these rows"
    lost = worse_by(spec.metric, ours, than=theirs)
    if lost > spec.int8_margin:
        return f"{spec.metric} is worse by {lost:.4f}, more than {spec.int8_margin:.4f} (evaluation.int8_margin)"
    times = [each["latency_ms"]["p50"] for each in (small, full)]
    if times[0] >= times[1]:
        return f"it is not faster: p50 {times[0]:.4f} ms against {times[1]:.4f} ms"
    return ""
