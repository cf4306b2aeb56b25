"""Explanations over the Open Inference Protocol: the same as of `/predict`, and nothing for who does not ask."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from include.core.spec import ModelSpec, Regression
from include.routing.route import Route
from include.serving.client import explanations_of
from include.serving.http.asgi import THREAD_BYTES, HttpRequest, Response
from include.serving.http.request_error import RequestError
from include.serving.prediction import infer
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.explanation_names import BASE, CONTRIBUTIONS, MISSING, OF, OUTPUTS
from include.serving.prediction.inference import Inference
from include.serving.prediction.remote_batches import RemoteBatches
from tests.support.binary_serving import Scene
from tests.support.explained_serving import BACKGROUND, Curved, likely
from tests.support.kinds_serving import STARS, Says, around

ROWS = [[0.25, 0.5, 3.0], [0.75, 0.125, 8.0], [0.5, 1.0, 1.0]]
ASKED = {"parameters": {"explain": True}}


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "perf_counter_ns", lambda: 0)


def question(rows: list[list[float | None]] | list[list[float]] = ROWS, **more: Any) -> bytes:
    tensor = {"name": "features", "shape": [len(rows), 3], "datatype": "FP32", "data": rows}
    return json.dumps({"inputs": [tensor], **more}).encode()


async def asked(scene: Scene, body: bytes, version: int = 1) -> Response:
    inference = Inference(RemoteBatches(), lambda _: scene.predictor.explaining)
    return await inference.answer(HttpRequest("POST", "/", [], body), scene.deployment, version)


def ask(scene: Scene, body: bytes, version: int = 1) -> Response:
    return asyncio.run(asked(scene, body, version))


def tensors(response: Response) -> dict[str, Any]:
    return {output["name"]: output for output in json.loads(response.body)["outputs"]}


def counts(scene: Scene) -> dict[str, float]:
    series = scene.predictor._metrics.series().get("slipstream_explanations_total", {})
    return {labels[1]: numbers[0] for labels, numbers in series.items()}


# -- what is told ---------------------------------------------------------------------------------------------------------------


def test_each_row_has_its_contributions_from_the_base_to_the_score(explained: Any) -> None:
    found = tensors(ask(explained(Curved()), question(**ASKED)))
    assert list(found) == ["score", *OUTPUTS]
    assert [(found[name]["datatype"], found[name]["shape"]) for name in OUTPUTS] == [
        ("FP64", [3, 3]), ("FP64", [3]), ("BYTES", [3]), ("BYTES", [3]),
    ]  # fmt: skip
    assert found[CONTRIBUTIONS]["parameters"] == {"features": "heat,size,hour", "method": "exact"}
    assert (found[OF]["data"], found[MISSING]["data"]) == (["score"] * 3, [""] * 3)
    values = np.reshape(found[CONTRIBUTIONS]["data"], (3, 3))
    np.testing.assert_allclose(values.sum(axis=1) + found[BASE]["data"], found["score"]["data"], atol=1e-6)
    np.testing.assert_allclose(found[BASE]["data"], float(Curved().score(BACKGROUND).mean()), atol=1e-6)
    assert np.ptp(values, axis=0).min() > 0, "no two rows are explained alike"


def test_a_row_is_explained_once_whichever_way_it_is_asked(explained: Any) -> None:
    scene = explained(Curved())

    async def both() -> tuple[Any, Any]:
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        body = {"entity": {"place": "p1"}, "features": {"size": 0.4, "hour": 7}, "explain": True}
        items, batch = scene.contract.decode(json.dumps(body).encode())
        scene.predictor.run([PendingRequest(items, batch, scene.deployment, reply)], lambda: None)
        native = json.loads(await reply)["explanation"]
        row = json.loads(scene.lines()[-1])["features"]
        columns = [
            {"name": name, "shape": [1], "datatype": kind, "data": [row[name]]}
            for name, kind in (("heat", "FP64"), ("size", "FP64"), ("hour", "INT64"))
        ]
        return native, await asked(scene, json.dumps({"inputs": columns, **ASKED}).encode())

    native, response = asyncio.run(both())
    (told,) = explanations_of(list(tensors(response).values()))
    assert told == {**native, "contributions": {name: native["contributions"][name] for name in ("heat", "size", "hour")}}
    assert counts(scene) == {"computed": 1, "cached": 1}


@pytest.mark.parametrize(
    ("problem", "scorer", "of"),
    [(Regression(scale=5, interval=0.9), around, ["value"] * 3), (STARS, likely, ["two", "two", "one"])],
)
def test_an_explanation_is_of_what_the_row_is_answered_with(explained: Any, problem: Any, scorer: Any, of: list[str]) -> None:
    rows = [[0.25, 0.5, 3.0], [0.75, 0.125, 8.0], [1.0, 1.4, 1.0]]
    scene = explained(scorer, problem)
    found = tensors(ask(scene, question(rows, **ASKED)))
    assert found[OF]["data"] == of
    said = np.asarray(scorer.score(np.asarray(rows, np.float32)), np.float64)
    place = [scene.deployment.models[1].answers.problem.outputs.index(name) for name in of]
    wanted = said[np.arange(3), place]
    sums = np.reshape(found[CONTRIBUTIONS]["data"], (3, 3)).sum(axis=1) + found[BASE]["data"]
    np.testing.assert_allclose(sums, wanted, atol=1e-6)


def test_what_is_unknown_is_explained_as_the_model_takes_it(explained: Any) -> None:
    found = tensors(ask(explained(Curved()), question([[None, 0.5, 3.0]], **ASKED)))
    assert found[MISSING]["data"] == [""]
    assert sum(found[CONTRIBUTIONS]["data"]) + found[BASE]["data"][0] == pytest.approx(found["score"]["data"][0], abs=1e-6)


def test_the_tensors_as_bytes_say_the_same(explained: Any) -> None:
    scene = explained(Curved())
    plain = tensors(ask(scene, question(**ASKED)))
    response = ask(scene, question(parameters={"explain": True, "binary_data_output": True}))
    (header,) = response.headers
    length = int(header[1])
    rest = response.body[length:]
    for output in json.loads(response.body[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        raw, rest = rest[:size], rest[size:]
        wanted = plain[output["name"]]
        if output["datatype"] == "BYTES":
            assert raw == b"".join(struct.pack("<I", len(text)) + text.encode() for text in wanted["data"])
        else:
            kind = {"FP32": "<f4", "FP64": "<f8"}[output["datatype"]]
            assert np.frombuffer(raw, kind).tolist() == wanted["data"]
    assert rest == b""


def test_outputs_that_are_named_ask_by_themselves(explained: Any) -> None:
    scene = explained(Curved())
    named = question(outputs=[{"name": BASE}, {"name": "score"}])
    assert list(tensors(ask(scene, named))) == [BASE, "score"]
    assert list(tensors(ask(scene, question(outputs=[{"name": "score"}], **ASKED)))) == ["score", *OUTPUTS]
    assert list(tensors(ask(scene, question(outputs=[{"name": OF}], **ASKED)))) == [OF]


# -- who does not ask -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"parameters": {"explain": False}}, {"parameters": {"explain": None}}, {"id": "seven"}])
def test_who_does_not_ask_sees_the_bytes_of_a_model_that_explains_nothing(
    explained: Any, spec: ModelSpec, tmp_path: Any, more: dict[str, Any]
) -> None:
    scene, plain = explained(Curved()), Scene(spec, tmp_path / "plain", Route(champion=1), {1: Curved()})
    plain.log.close()
    assert ask(scene, question(**more)).body == ask(plain, question(**more)).body
    assert counts(scene) == {}
    metadata, same = infer.metadata(scene.deployment, 1), infer.metadata(plain.deployment, 1)
    told = metadata["parameters"].pop("explanations")
    assert metadata == same
    assert [each["name"] for each in told["outputs"]] == list(OUTPUTS)
    assert (told["features"], told["outputs"][0]["shape"]) == (["heat", "size", "hour"], [-1, 3])


def test_many_rows_are_scored_beside_the_event_loop_and_explained_all_the_same(explained: Any) -> None:
    rows = [[place / 64, 0.5, 3.0] for place in range(40)]
    scene = explained(Curved())
    body = question(rows, **ASKED) + b" " * THREAD_BYTES  # JSON may end in spaces
    found = tensors(ask(scene, body))
    assert found["score"] == tensors(ask(scene, question(rows)))["score"]
    assert found[MISSING]["data"] == [""] * 40
    values = np.reshape(found[CONTRIBUTIONS]["data"], (40, 3))
    np.testing.assert_allclose(values.sum(axis=1) + found[BASE]["data"], found["score"]["data"], atol=1e-6)
    assert counts(scene) == {"computed": 40}


# -- what is refused, and what comes without ------------------------------------------------------------------------------------


def unexplained(make: Any) -> Scene:
    scene: Scene = make(Curved())
    spec = scene.spec.model_copy(update={"serving": scene.spec.serving.model_copy(update={"explain": None})})
    scene.deployment = replace(scene.deployment, spec=spec)
    return scene


@pytest.mark.parametrize(
    ("of", "more", "field"),
    [
        (unexplained, ASKED, "parameters.explain"),
        (unexplained, {"outputs": [{"name": BASE}]}, "outputs.name"),
        (lambda make: make(Curved()), {"parameters": {"explain": 3}}, "parameters.explain"),
        (lambda make: make(Curved()), {"parameters": {"explain": "yes"}}, "parameters.explain"),
        (lambda make: make(Curved()), {"outputs": [{"name": "explanation"}]}, "outputs.name"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_its_field(
    explained: Any, of: Callable[[Any], Scene], more: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestError) as refused:
        ask(of(explained), question(**more))
    assert (refused.value.status, refused.value.body["field"]) == (400, field)


def test_rows_that_are_not_explained_say_why_and_have_no_numbers(explained: Any) -> None:
    def broken(rows: Any) -> Any:
        if len(rows) > 3:
            raise RuntimeError("no more")
        return rows[:, 1]

    for scene, why in ((explained(Curved(), background=None), "no_background"), (explained(Says(broken)), "failed")):
        found = tensors(ask(scene, question(**ASKED)))
        assert found[MISSING]["data"] == [why] * 3
        assert found[CONTRIBUTIONS]["data"] == [None] * 9
        assert found[BASE]["data"] == [None] * 3
        assert found["score"]["data"] is not None
        assert explanations_of(list(found.values())) == [{"missing": why}] * 3
        assert counts(scene) == {why: 3}
    told = infer.metadata(explained(Curved(), background=None).deployment, 1)["parameters"]["explanations"]
    assert (told["missing"], "outputs" in told) == ("no_background", False)


def test_what_is_taken_of_the_budget_is_taken_of_both_ways(explained: Any) -> None:
    scene = explained(Curved())
    assert scene.predictor.explaining is not None
    scene.predictor.explaining.budget.spend(math.inf)
    found = tensors(ask(scene, question(**ASKED)))
    assert found[MISSING]["data"] == ["busy"] * 3
    assert found["score"]["data"] == pytest.approx(Curved().score(np.asarray(ROWS, np.float32)).tolist())
