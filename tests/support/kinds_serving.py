"""Problems of every kind beside models that say what a test wants, over the rows of tests/support/binary_serving.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from include.core.spec import MultiClass, Ranking
from include.model_contract.batch import Floats
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION, Record
from include.routing.route import Route
from tests.support.binary_serving import Scene

ALONE = Route(champion=1, shadow=2)
STARS = MultiClass(classes=("one", "two", "three"))
FILMS = Ranking(query="place", item="film", default=-1)
Make = Callable[..., Scene]
"""Of a problem, a route and what its versions say, from the first on: a scene."""


class Says:
    """Outputs by a function of the encoded rows [n, (heat, size, hour)]."""

    def __init__(self, outputs: Callable[[Floats], Any]) -> None:
        self._outputs = outputs

    def score(self, features: Any) -> Floats:
        return np.asarray(self._outputs(features), dtype=np.float32)


size = Says(lambda rows: rows[:, 1])
around = Says(lambda rows: np.column_stack([rows[:, 1], rows[:, 1] - 1, rows[:, 1] + 1]))
stars = Says(lambda rows: np.column_stack([rows[:, 1], 0.75 - rows[:, 1], np.full(len(rows), 0.25)]))


def fails_over(limit: float) -> Says:
    """The size; rows above the limit break it."""

    def outputs(rows: Floats) -> Floats:
        if (rows[:, 1] > limit).any():
            raise RuntimeError("too large")
        return rows[:, 1]

    return Says(outputs)


def one(size: float | None = 1.0, place: str = "p1", **more: Any) -> dict[str, Any]:
    return {"entity": {"place": place}, "features": {"size": size}, **more}


def ask(scene: Scene, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    asked = [{"id": f"r{number}", **request} for number, request in enumerate(requests)]
    answers: list[dict[str, Any]] = json.loads(scene.ask({"requests": asked}))["responses"]
    return answers


def logged(scene: Scene) -> list[Record]:
    return [record for record in read_records(scene.folder, "toy") if record.kind == PREDICTION]
