"""The second version of a live rollout's stored evidence: every problem was binary, and two bits were remembered of an answer.

Version 3 has the problem, the champion's losses, and of each answer its arm and one number.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from typing import Any

from include.core.versioned import Body

CONTESTED = 2  # version 3, in the place of an arm: several entities were asked about under one id, so a label is nobody's
_CONTESTED = 4  # in the place of 2 * arm + decided
_NOTHING_PENDING = {"ids": "", "units": "", "arms": "", "said": ""}


def from_second(body: Body) -> Body:
    """Version 3 of it: the same facts."""
    baseline = {**body["baseline"], "losses": [], "pending": dict(_NOTHING_PENDING)}
    stage = body["stage"]
    if stage:
        stage = {**stage, "pending": _pending(stage["pending"]), "problem": {}, "first_labels": False}
    return {**body, "problem": {}, "baseline": baseline, "stage": stage}


def _pending(columns: Body) -> Body:
    bits = array("Q", b64decode(columns["bits"]))
    arms = array("B", [CONTESTED if each == _CONTESTED else each // 2 for each in bits])
    said = array("d", [float(each % 2) for each in bits])
    return {"ids": columns["ids"], "units": columns["units"], "arms": _text(arms), "said": _text(said)}


def _text(values: array[Any]) -> str:
    return b64encode(values.tobytes()).decode()
