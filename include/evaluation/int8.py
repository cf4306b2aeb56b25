"""The INT8 variant of a model: weights of 8 bits, a quarter of the bytes, faster where matrices are wide.

Not always: a small network is slower with it (measured: 4.0 to 5.9 microseconds a row; 47 to 19 on layers of 1,024).
So the variant has a gate of its own, and the model as it was trained is what stands where it stays closed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from include.core.spec import Evaluation
from include.evaluation.latency import LATENCY_ROWS, measure_in_turns
from include.model_contract.model import Encoded, open_model, quantize
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.step_values.evaluation import Int8Value
from include.step_values.training import Metrics

FILE = "model.int8.onnx"


def variant(path: Path, target: Path, rows: Encoded, truth: Truth, spec: Evaluation, problem: Problem) -> Int8Value:
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
    metrics = problem.measure(truth, scores)
    reason = _worse(metrics, problem.measure(truth, before), spec, problem) or _slower(latency[0]["p50"], latency[1]["p50"])
    return {
        "accepted": not reason,
        "reason": reason,
        "metrics": metrics,
        "latency_ms": latency[0],
        "bytes": target.stat().st_size,
        "largest_difference": float(np.abs(scores - before).max()),
    }


def _worse(small: Metrics, full: Metrics, spec: Evaluation, problem: Problem) -> str:
    """Why the variant is not as good; empty if it is."""
    ours, theirs = small[spec.metric], full[spec.metric]
    if ours is None or theirs is None:
        return f"{spec.metric} is not defined on these rows"
    lost = problem.metric(spec.metric).worse_by(ours, than=theirs)
    if lost > spec.int8_margin:
        return f"{spec.metric} is worse by {lost:.4f}, more than {spec.int8_margin:.4f} (evaluation.int8_margin)"
    return ""


def _slower(small_ms: float, full_ms: float) -> str:
    """Why the variant is not worth it; empty if it is."""
    if small_ms >= full_ms:
        return f"it is not faster: p50 {small_ms:.4f} ms against {full_ms:.4f} ms"
    return ""
