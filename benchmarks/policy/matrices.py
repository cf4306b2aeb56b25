"""The errors of every model in every window, computed once a stream and kept in the temporary folder: replays take no fits."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift import streams
from benchmarks.drift.streams import alarms
from include.core.spec import Serving
from include.monitoring.retraining import policy_replay
from include.monitoring.retraining.labelled_stream import Floats, Stream
from include.monitoring.retraining.policy_replay import errors

NARROW = 50  # inputs; with more, nobody looks for drift: it would take longer than all the rest
THRESHOLD = Serving().threshold  # the streams have no spec of their own


def kept(stream: Stream, delay: int, learner: Callable[[], Any] | None = None) -> Floats:
    """Of this learner; a logistic regression by default."""
    name = f"{delay}/{learner.__qualname__ if learner else ''}"
    return _once(stream, name, policy_replay.__file__, lambda: errors(stream, THRESHOLD, learner, delay))


def drifted(stream: Stream, delay: int) -> list[bool]:
    """Whether each window that is served drifted against those before it, by the test of `monitor`. Nothing of a wide stream, and
    of one that is no evidence of its own."""
    if stream.inputs.shape[1] > NARROW or stream.kin:
        return []
    first = policy_replay.TRAINED_ON + delay
    return [bool(said) for said in _once(stream, "drift", streams.__file__, lambda: np.array(alarms(stream)))[first:]]


def _once(stream: Stream, name: str, source: str, computed: Callable[[], Floats]) -> Floats:
    """Named by the rows, what is asked, and the source of what computes it."""
    digest = hashlib.sha256(Path(source).read_bytes() + f"{name}/{np.__version__}".encode())
    for part in (stream.inputs, stream.label, stream.window):
        digest.update(np.ascontiguousarray(part).tobytes())
    folder = Path(tempfile.gettempdir()) / f"slipstream-policy-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{digest.hexdigest()[:32]}.npy"
    if not path.is_file():
        found = computed()
        half = path.with_suffix(f".{os.getpid()}")
        with half.open("wb") as out:
            np.save(out, found)
        half.replace(path)
    matrix: Floats = np.load(path)
    return matrix
