"""The INT8 variant of a model: weights of 8 bits, a quarter of the bytes, faster where matrices are wide.

Not always: a small network is slower with it (measured: 4.0 to 5.9 microseconds a row; 47 to 19 on layers of 1,024).
So the variant has a gate of its own, and the model as it was trained is what stands where it stays closed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from include.core.adapters import adapter
from include.core.spec import Evaluation
from include.evaluation.gate import worse
from include.evaluation.latency import LATENCY_ROWS, measure_in_turns
from include.metrics.values import Array, measure
from include.model_contract.model import Floats, Model
from include.step_values.evaluation import Int8Value
from include.step_values.training import Metrics

FILE = "model.int8.onnx"


def variant(path: Path, target: Path, rows: Floats, labels: Array, spec: Evaluation) -> Int8Value:
    """Quantise the model at `path` into `target`, and measure both side by side on the same rows.

    {"accepted", "reason", "metrics", "latency_ms", "bytes", "largest_difference"}; only the first two where it cannot
    be quantised at all.
    """
    full = adapter("model")(path)
    try:
        adapter("model.quantize")(path, target)
        small: Model = adapter("model")(target)
        scores = small.score(rows)
    except Exception as error:  # noqa: BLE001 - the quantiser knows not every operator, and says so in many ways
        return {"accepted": False, "reason": f"it cannot be quantised: {str(error).strip()[:200]}"}
    before = full.score(rows)
    latency = measure_in_turns([small, full], rows[:LATENCY_ROWS])  # compared, so in the same minutes
    metrics = measure(labels, scores)
    lost = worse(spec.metric, _defined(metrics, spec), _defined(measure(labels, before), spec))
    reason = _reason(lost, latency[0]["p50"], latency[1]["p50"], spec)
    return {
        "accepted": not reason,
        "reason": reason,
        "metrics": metrics,
        "latency_ms": latency[0],
        "bytes": target.stat().st_size,
        "largest_difference": float(np.abs(scores - before).max()),
    }


def _defined(metrics: Metrics, spec: Evaluation) -> float:
    """The spec's metric, NaN where it is not defined for the rows."""
    value = metrics[spec.metric]
    return math.nan if value is None else value


def _reason(lost: float, small_ms: float, full_ms: float, spec: Evaluation) -> str:
    """Why the variant may not serve; empty if it may. `lost`: by how much its metric is worse."""
    if not lost <= spec.int8_margin:  # NaN is not within the margin, either
        return f"{spec.metric} is worse by {lost:.4f}, more than {spec.int8_margin:.4f} (evaluation.int8_margin)"
    if small_ms >= full_ms:
        return f"it is not faster: p50 {small_ms:.4f} ms against {full_ms:.4f} ms"
    return ""
