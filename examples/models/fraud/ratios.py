"""An amount beside what is usual: how many times a customer's own mean it is.

Trees cannot divide, so it is done before them, in the model's own file: callers, the feature store and the log know nothing
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.training.job import Floats

PAIRS = (
    ("amount", "customer_mean_14d"),
    ("amount", "customer_deviation_14d"),
    ("amount", "customer_largest_14d"),
    ("amount", "terminal_mean_14d"),
    ("customer_mean_7d", "customer_mean_14d"),
    ("terminal_mean_7d", "terminal_mean_14d"),
)


@dataclass(frozen=True)
class Ratios:
    """Places of numerators and denominators among the features [n, inputs]."""

    over: tuple[int, ...]
    under: tuple[int, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Ratios:
        return cls(tuple(names.index(over) for over, _ in PAIRS), tuple(names.index(under) for _, under in PAIRS))

    def beside(self, features: Floats) -> Floats:
        """float32 [n, inputs + ratios]. A mean that is not known gives NaN: missing."""
        under = np.maximum(features[:, self.under], 0) + np.float32(1)
        return np.concatenate([features, features[:, self.over] / under], axis=1)

    def write(self, trees: bytes, path: Path) -> None:
        """A model of `beside`'s columns as one of the features alone."""
        import onnx
        from onnx import helper, numpy_helper

        model = onnx.load_model_from_string(trees)
        graph = model.graph
        (given,) = graph.input
        for node in graph.node:
            node.input[:] = ["with_ratios" if name == given.name else name for name in node.input]
        constants: dict[str, NDArray[Any]] = {
            "over_places": np.array(self.over, dtype=np.int64), "under_places": np.array(self.under, dtype=np.int64),
            "nothing": np.array(0, dtype=np.float32), "one_more": np.array(1, dtype=np.float32),
        }  # fmt: skip
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
        made = [
            helper.make_node("Gather", [given.name, "over_places"], ["over"], axis=1),
            helper.make_node("Gather", [given.name, "under_places"], ["under"], axis=1),
            # Not Max, which passes a NaN on or not by the runtime's version.
            helper.make_node("Less", ["under", "nothing"], ["below"]),
            helper.make_node("Where", ["below", "nothing", "under"], ["not_below"]),
            helper.make_node("Add", ["not_below", "one_more"], ["usual"]),
            helper.make_node("Div", ["over", "usual"], ["ratios"]),
            helper.make_node("Concat", [given.name, "ratios"], ["with_ratios"], axis=1),
        ]
        nodes = [*made, *graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        given.type.tensor_type.shape.dim[1].dim_value -= len(self.over)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
