"""What a model of each kind gives as tensors, and what one of columns takes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np

from include.core.spec import Feature, Regression
from include.model_contract.batch import Columns, Floats
from include.serving.prediction import infer
from include.serving.prediction.micro_batch import Batches
from tests.support.binary_serving import Scene
from tests.support.kinds_serving import ALONE, STARS, Make, Says, around, ask, stars


def inferred(scene: Scene, *sizes: float) -> list[dict[str, Any]]:
    rows = [[0.5, value, 1.0] for value in sizes]
    tensor = {"name": "features", "shape": [len(rows), 3], "datatype": "FP32", "data": rows}
    body, length = infer.infer(scene.deployment, 1, json.dumps({"inputs": [tensor]}).encode(), None).answer()
    assert length is None
    outputs: list[dict[str, Any]] = json.loads(body)["outputs"]
    return outputs


def test_a_number_and_its_interval_are_three_tensors(scene: Make) -> None:
    made = scene(Regression(scale=5, interval=0.9), ALONE, around)
    assert [(out["name"], out["shape"], out["data"]) for out in inferred(made, 1.0, 2.0)] == [
        ("value", [2], [1.0, 2.0]),
        ("low", [2], [0.0, 1.0]),
        ("high", [2], [2.0, 3.0]),
    ]
    described = infer.metadata(made.deployment, 1)
    assert [(out["name"], out["shape"]) for out in described["outputs"]] == [("value", [-1]), ("low", [-1]), ("high", [-1])]
    assert (described["parameters"]["problem"], described["parameters"]["outputs"]) == ("regression", ["value", "low", "high"])


def test_the_probabilities_of_classes_are_one_tensor(scene: Make) -> None:
    made = scene(STARS, ALONE, stars)
    (output,) = inferred(made, 0.5, 0.25)
    assert (output["name"], output["shape"], output["data"]) == ("probabilities", [2, 3], [0.5, 0.25, 0.25, 0.25, 0.5, 0.25])
    described = infer.metadata(made.deployment, 1)
    assert described["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}]
    assert described["parameters"]["outputs"] == ["one", "two", "three"]


def test_rows_of_several_outputs_are_scored_in_one_run_and_go_to_their_callers(scene: Make) -> None:
    made = scene(STARS, ALONE, stars)
    model = made.deployment.models[1]

    async def both() -> list[Floats]:
        batches = Batches()
        rows = np.array([[0.5, 0.5, 1.0]], np.float32), np.array([[0.5, 0.25, 1.0], [0.5, 0.0, 1.0]], np.float32)
        found = await asyncio.gather(*(batches.score(model, some) for some in rows))
        assert batches.runs == 1
        return found

    first, second = asyncio.run(both())
    assert (first.tolist(), second.tolist()) == ([[0.5, 0.25, 0.25]], [[0.25, 0.5, 0.25], [0.0, 0.75, 0.25]])


def columns(**tensors: tuple[str, list[int], list[Any]]) -> bytes:
    inputs = [{"name": name, "datatype": kind, "shape": shape, "data": data} for name, (kind, shape, data) in tensors.items()]
    return json.dumps({"inputs": inputs}).encode()


COLUMNS = (
    Feature(name="title", dtype="text"),
    Feature(name="new", dtype="bool", default=False),
    Feature(name="point", dtype="vector[2]"),
)


def named(scene: Make) -> Scene:
    """A model of columns: its value is the text's length, a half more where the truth holds, and the vector's sum."""

    def outputs(rows: Columns) -> list[float]:
        points = np.nan_to_num(rows["point"], nan=-1.0).sum(axis=1)
        return [len(title) + 0.5 * new + point for title, new, point in zip(rows["title"], rows["new"], points, strict=True)]

    return scene(Regression(scale=5), ALONE, Says(outputs), columns=COLUMNS)


GOOD = {
    "title": ("BYTES", [3], ["abc", None, "\N{SNOWMAN}"]),
    "new": ("BOOL", [3], [True, False, None]),
    "point": ("FP32", [3, 2], [1, 2, None, None, 3, 4]),
}


def test_a_model_of_columns_is_asked_by_its_columns(scene: Make) -> None:
    made = named(scene)
    body, _ = infer.infer(made.deployment, 1, columns(**GOOD), None).answer()  # type: ignore[arg-type]
    assert json.loads(body)["outputs"][0]["data"] == [3 + 0.5 + 3, 0 - 2, 1 + 7]
    assert [(each["name"], each["datatype"], each["shape"]) for each in infer.metadata(made.deployment, 1)["inputs"]] == [
        ("title", "BYTES", [-1]),
        ("new", "BOOL", [-1]),
        ("point", "FP32", [-1, 2]),
    ]


def test_texts_truths_and_vectors_of_requests_reach_a_model_of_columns(scene: Make) -> None:
    made = named(scene)
    asked = [
        {"title": "abc", "new": True, "point": [1, 2]},
        {"title": None, "point": None},
        {"title": "\N{SNOWMAN}", "new": False, "point": [3, 4]},
    ]
    answers = ask(made, *({"entity": {"place": "p1"}, "features": features} for features in asked))
    assert [(answer["value"], answer["degraded"]) for answer in answers] == [(6.5, []), (-2.0, []), (8.0, [])]


def test_rows_of_columns_are_scored_in_one_run(scene: Make) -> None:
    model = named(scene).deployment.models[1]
    encoded = [model.encoder.encode_rows([{"title": text, "new": True, "point": [0, 0]}]) for text in ("a", "four")]

    async def both() -> list[Floats]:
        batches = Batches()
        found = await asyncio.gather(*(batches.score(model, rows) for rows in encoded))
        assert batches.runs == 1
        return found

    assert [found.tolist() for found in asyncio.run(both())] == [[1.5], [4.5]]
