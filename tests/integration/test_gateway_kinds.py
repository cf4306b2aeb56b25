"""Models of other kinds than binary in a real gateway: answers, tensors, labels, and a version that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from include.core.errors import DataError, GateClosed
from include.core.spec import MultiClass, Ranking, Regression
from include.prediction_log.reader import read_records
from include.routing.route import Route
from include.serving.client import GatewayClient
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant, eventually, heat_score, signature

PROBLEMS: dict[str, Any] = {
    "stars": MultiClass(classes=("one", "two", "three")),
    "delay": Regression(scale=5, interval=0.9, unit="minutes", default=7),
    "films": Ranking(query="place", item="film"),
}


def rows_of(*values: float) -> onnx.ModelProto:
    """The same outputs [n, k] for every row."""
    nodes = [
        helper.make_node("Gather", ["features", "first"], ["column"], axis=1),
        helper.make_node("Mul", ["column", "zero"], ["nought"]),
        helper.make_node("Add", ["nought", "values"], ["outputs"]),
    ]
    constants = {
        "first": np.array([0], np.int64),
        "zero": np.array(0, np.float32),
        "values": np.array([values], np.float32),
    }
    graph = helper.make_graph(
        nodes, "rows", [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["n", len(values)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def signed(problem: Any) -> dict[str, Any]:
    return {**signature(), "problem": problem.model_dump(mode="json"), "outputs": list(problem.outputs)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("kinds"))
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    files = {"stars": rows_of(0.25, 0.25, 0.5), "delay": rows_of(12.5, 10, 20), "films": heat_score()}
    for name, problem in PROBLEMS.items():
        world.add_model(name)
        spec = world.home / "code" / "things_models" / name / "spec.py"
        text = spec.read_text().replace("import Data,", "import MultiClass, Ranking, Regression, Data,")
        text = text.replace("default_score=0.25, ", "")  # of a binary label alone
        spec.write_text(text.replace('label="late",', f'label="late", problem={problem!r},'))
        world.register(1, files[name], signed(problem), name)
        world.route(Route(champion=1), name)
    world.start().close()
    yield world
    world.stop()


@pytest.fixture
def client(world: World) -> Iterator[GatewayClient]:
    client = world.client()
    yield client
    client.close()


def test_each_kind_answers_in_its_own_words(client: GatewayClient) -> None:
    by_model = {name: client.predict_batch(name, [body(id="r1")])[0] for name in (*PROBLEMS, MODEL)}
    by = {"version": 1, "arm": "champion", "degraded": []}
    assert by_model["stars"] == {"id": "r1", "class": "three", "probabilities": {"one": 0.25, "two": 0.25, "three": 0.5}, **by}
    assert by_model["delay"] == {"id": "r1", "value": 12.5, "low": 10.0, "high": 20.0, **by}
    assert by_model["films"] == {"id": "r1", "score": 0.5, "place": 1, **by}
    assert by_model[MODEL] == {"id": "r1", "score": pytest.approx(0.1), "label": 0, **by}


def test_a_version_is_asked_for_its_outputs(client: GatewayClient) -> None:
    rows = [{"heat": 0.5, "colour": "red", "size": 1.0}] * 2
    assert client.infer("stars", 1, rows)[0] == [[0.25, 0.25, 0.5]] * 2
    assert client.infer("delay", 1, rows)[0] == [[12.5, 10.0, 20.0]] * 2
    assert client.infer("films", 1, rows)[0] == [0.5, 0.5]


def test_labels_are_read_and_logged_by_kind(world: World, client: GatewayClient) -> None:
    assert client.feedback("stars", [{"id": "r1", "label": "two"}]) == {"accepted": 1}
    assert client.feedback("delay", [{"id": "r1", "label": -3.5}]) == {"accepted": 1}
    (stars,) = [record for record in read_records(world.home, "stars") if record.kind == "label"]
    (delay,) = [record for record in read_records(world.home, "delay") if record.kind == "label"]
    assert (stars.label, stars.label_class, delay.label, delay.label_class) == (None, "two", -3.5, "")
    with pytest.raises(DataError, match="A label must be one of the classes"):
        client.feedback("stars", [{"id": "r1", "label": "four"}])
    with pytest.raises(DataError, match="bool \\| float"):
        client.feedback("delay", [{"id": "r1", "label": "late"}])


def test_the_document_says_what_the_kinds_answer(world: World) -> None:
    document = httpx.get(f"{world.url}/openapi.json").json()
    answers = [name for name in document["components"]["schemas"] if name.startswith("Answer_")]
    assert answers == ["Answer_binary", "Answer_regression", "Answer_multiclass", "Answer_ranking"]
    assert "three" not in str(document)


def test_a_version_of_moved_classes_is_refused_and_the_one_before_serves(world: World, client: GatewayClient) -> None:
    moved = MultiClass(classes=("three", "two", "one"))
    world.register(2, rows_of(0.5, 0.25, 0.25), signed(moved), "stars")
    generation = world.route(Route(champion=2, previous=1), "stars")
    with pytest.raises(GateClosed, match="trained for another problem"):
        client.wait_applied("stars", generation)
    assert client.predict_batch("stars", [body()])[0]["class"] == "three"
    applied = world.route(Route(champion=1), "stars")
    assert eventually(lambda: client.status()["models"]["stars"].get("generation", 0) >= applied)


def test_a_label_needs_a_token_and_a_wrong_one_is_answered_with_the_classes(world: World) -> None:
    refused = httpx.post(f"{world.url}/feedback/stars", json={"id": "r1", "label": "two"})
    allowed = httpx.post(
        f"{world.url}/feedback/stars", json={"id": "r1", "label": 3}, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert (refused.status_code, allowed.status_code) == (401, 400)
    assert allowed.json()["allowed"] == ["one", "two", "three"]
