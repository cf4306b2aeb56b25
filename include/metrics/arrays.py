"""The arrays that metrics take. Labels are 0 or 1, scores probabilities; both have one entry a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Groups = NDArray[np.integer[Any]]
"""Rows that share something, such as their day, have the same number."""
