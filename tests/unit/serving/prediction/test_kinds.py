"""Every kind of problem, from the request to the answer, the log and the shadow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.core.spec import Binary, Costs, Feature, ModelSpec, MultiClass, Ranking, Regression
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder, Input
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION, Record
from include.routing.route import Route
from include.serving.http.request_error import RequestError
from include.serving.models.loaded_model import Floats
from include.serving.prediction import infer
from include.serving.prediction.micro_batch import Batches
from include.serving.shadow import Frame, Scorer
from include.serving.telemetry.counters import Metrics
from tests.support.binary_serving import Scene

ALONE = Route(champion=1, shadow=2)
STARS = MultiClass(classes=("one", "two", "three"))
FILMS = Ranking(query="place", item="film", default=-1)
Make = Callable[..., Scene]


def half_places(scores: Floats) -> Floats:
    """A decision function: yes from .9 on."""
    return (scores >= 0.9).astype(np.int64)


def broken(scores: Floats) -> Floats:
    raise ZeroDivisionError("an author's mistake")


def of_no_class(probabilities: Floats) -> Floats:
    return np.full(len(probabilities), 7)


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


@pytest.fixture
def scene(spec: ModelSpec, tmp_path: Path) -> Iterator[Make]:
    made: list[Scene] = []

    def make(problem: Any, route: Route = ALONE, *scorers: Any, **serving: Any) -> Scene:
        changed = spec.model_copy(update={"problem": problem})
        named = dict(enumerate(scorers, start=1))
        made.append(Scene(changed, tmp_path / f"scene-{len(made)}", route, named, **serving))
        return made[-1]

    yield make
    for each in made:
        each.log.close()


def one(size: float | None = 1.0, place: str = "p1", **more: Any) -> dict[str, Any]:
    return {"entity": {"place": place}, "features": {"size": size}, **more}


def ask(scene: Scene, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    asked = [{"id": f"r{number}", **request} for number, request in enumerate(requests)]
    answers: list[dict[str, Any]] = json.loads(scene.ask({"requests": asked}))["responses"]
    return answers


def logged(scene: Scene) -> list[Record]:
    return [record for record in read_records(scene.folder, "toy") if record.kind == PREDICTION]


# -- answers ------------------------------------------------------------------------------------------------------------------


def test_a_number_is_answered_with_its_interval_and_logged_with_all_outputs(scene: Make) -> None:
    made = scene(Regression(scale=5, interval=0.9), ALONE, around)
    answer = json.loads(made.ask({**one(12.5), "id": "r"}))
    assert list(answer) == ["id", "value", "low", "high", "version", "arm", "degraded"]
    assert answer == {"id": "r", "value": 12.5, "low": 11.5, "high": 13.5, "version": 1, "arm": "champion", "degraded": []}
    (record,) = logged(made)
    assert (record.score, record.outputs, record.decision, record.place) == (12.5, [12.5, 11.5, 13.5], None, None)


def test_a_number_without_an_interval_is_one_number(scene: Make) -> None:
    made = scene(Regression(scale=5), ALONE, size)
    assert ask(made, one(-3.5))[0]["value"] == -3.5
    assert (logged(made)[0].score, logged(made)[0].outputs) == (-3.5, None)


def test_a_class_is_answered_with_the_probability_of_each(scene: Make) -> None:
    made = scene(STARS, ALONE, stars)
    first, second = ask(made, one(0.5), one(0.25))
    assert list(first) == ["id", "class", "probabilities", "version", "arm", "degraded"]
    assert (first["class"], first["probabilities"]) == ("one", {"one": 0.5, "two": 0.25, "three": 0.25})
    assert second["class"] == "two"
    assert [(r.score, r.decision, r.outputs) for r in logged(made)] == [(0.5, 0, [0.5, 0.25, 0.25]), (0.5, 1, [0.25, 0.5, 0.25])]


def test_the_costs_of_a_row_decide_it(scene: Make) -> None:
    made = scene(
        Binary(costs=Costs(false_positive=1.0, false_negative="size")), ALONE, Says(lambda rows: np.full(len(rows), 0.2))
    )
    cheap, dear = ask(made, one(1.0), one(10.0))
    assert (cheap["score"], cheap["label"], dear["label"]) == (pytest.approx(0.2), 0, 1)
    assert [record.decision for record in logged(made)] == [0, 1]


@pytest.mark.parametrize("cost", [None, -5.0])
def test_a_cost_that_is_not_known_leaves_the_decision_to_the_threshold_and_says_so(scene: Make, cost: float | None) -> None:
    made = scene(
        Binary(costs=Costs(false_positive=1.0, false_negative="size")), ALONE, Says(lambda rows: np.full(len(rows), 0.6)),
        redact=("size",),
    )  # fmt: skip
    unknown, known = ask(made, one(cost), one(0.01))
    assert (unknown["label"], unknown["degraded"], known["label"], known["degraded"]) == (1, ["costs"], 0, [])
    assert [record.decision for record in logged(made)] == [1, 0]


def test_an_authors_function_decides(scene: Make) -> None:
    made = scene(Binary(decision=f"{__name__}:half_places"), ALONE, Says(lambda rows: np.array([0.8, 0.95])[: len(rows)]))
    assert [answer["label"] for answer in ask(made, one(), one())] == [0, 1]


@pytest.mark.parametrize("function", ["broken", "of_no_class"])
def test_a_decision_function_that_fails_leaves_the_plain_decision_and_says_so(scene: Make, function: str) -> None:
    made = scene(STARS.model_copy(update={"decision": f"{__name__}:{function}"}), ALONE, stars)
    answers = ask(made, one(0.5), one(0.25))
    assert [(answer["class"], answer["degraded"]) for answer in answers] == [("one", ["decision"]), ("two", ["decision"])]


def test_a_decision_is_explored_among_all_classes(scene: Make) -> None:
    made = scene(STARS, ALONE, stars, explore=0.9)
    answers = ask(made, *(one(0.5) for _ in range(300)))
    drawn = [record for record in logged(made) if record.explored == "random"]
    assert {record.decision for record in drawn} == {0, 1, 2}
    names = {f"r{number}": answer["class"] for number, answer in enumerate(answers)}
    assert all(STARS.classes[record.decision or 0] == names[record.id] for record in drawn)


def test_an_equal_question_is_answered_from_the_cache_in_full(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for problem, scorer in ((STARS, stars), (Regression(scale=5, interval=0.9), around), (FILMS, size)):
        made = scene(problem, ALONE, scorer, cache=timedelta(minutes=1))
        first, again = ask(made, one(0.5), one(0.25)), ask(made, one(0.5), one(0.25))
        assert first == again
        records = logged(made)
        assert [(r.outputs, r.decision, r.place) for r in records[:2]] == [(r.outputs, r.decision, r.place) for r in records[2:]]


# -- what fails ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "good", "bad", "says"),
    [
        (Regression(scale=5, interval=0.9), around, size, "outputs of shape [1]"),
        (Regression(scale=5, interval=0.9), around, Says(lambda rows: np.tile([1.0, 2.0, 3.0], (len(rows), 1))), "own interval"),
        (Regression(scale=5), size, Says(lambda rows: np.full(len(rows), np.nan)), "not finite"),
        (STARS, stars, Says(lambda rows: np.tile([0.5, 0.25, 0.5], (len(rows), 1))), "add up to 1"),
        (STARS, stars, Says(lambda rows: np.tile([1.5, -0.25, -0.25], (len(rows), 1))), "probabilities are needed"),
        (STARS, stars, Says(lambda rows: np.tile([0.5, 0.5], (len(rows), 1))), "outputs of shape"),
        (FILMS, size, Says(lambda rows: np.full(len(rows), np.inf)), "not finite"),
    ],
)
def test_outputs_that_are_none_count_against_the_version_and_the_previous_one_answers(
    scene: Make, problem: Any, good: Any, bad: Any, says: str
) -> None:
    made = scene(problem, Route(champion=1, previous=2), bad, good)
    (answer,) = ask(made, one(0.5))
    assert (answer["version"], answer["degraded"]) == (2, ["champion"])
    (record,) = logged(made)
    assert record.error is not None
    assert record.error.startswith("version 1 gave")
    assert says in record.error


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Regression(scale=5, interval=0.9, default=4, minimum=0, maximum=9), {"value": 4.0, "low": 0.0, "high": 9.0}),
        (Regression(scale=5, default=4), {"value": 4.0}),
        (
            MultiClass(classes=("a", "b"), default=(0.25, 0.75)),
            {"class": "b", "probabilities": {"a": 0.25, "b": 0.75}},
        ),
        (FILMS, {"score": -1.0, "place": 1}),
        (Binary(costs=Costs(false_positive=1.0, false_negative=9.0)), {"score": 0.5, "label": 1}),
    ],
)
def test_where_nobody_can_answer_the_problems_default_is_the_answer(scene: Make, problem: Any, said: dict[str, Any]) -> None:
    made = scene(problem, Route(champion=1), fails_over(0))
    (answer,) = ask(made, one(0.5))
    assert answer == {"id": "r0", **said, "version": None, "arm": "champion", "degraded": ["champion", "default_score"]}


# -- lists --------------------------------------------------------------------------------------------------------------------


def test_candidates_are_answered_in_their_order_each_with_its_place_in_its_own_list(scene: Make) -> None:
    made = scene(FILMS, ALONE, size)
    asked = [one(0.25), one(3.0, "p2"), one(2.0), one(1.0, "p2"), one(0.25)]
    answers = ask(made, *asked)
    assert [answer["score"] for answer in answers] == [0.25, 3.0, 2.0, 1.0, 0.25]
    assert [answer["place"] for answer in answers] == [2, 1, 1, 2, 3]
    assert list(answers[0]) == ["id", "score", "place", "version", "arm", "degraded"]
    assert [record.place for record in logged(made)] == [1, 0, 0, 1, 2]


def test_one_candidate_is_answered_as_any_other(scene: Make) -> None:
    made = scene(FILMS, ALONE, size)
    answer = json.loads(made.ask({**one(2.0), "id": "r"}))
    assert (answer["score"], answer["place"], answer["degraded"]) == (2.0, 1, [])


def test_requests_are_lists_of_their_own_whatever_else_is_answered_in_the_turn(scene: Make) -> None:
    made = scene(FILMS, ALONE, size)
    assert [answer["place"] for answer in ask(made, one(1.0), one(2.0))] == [2, 1]
    assert [answer["place"] for answer in ask(made, one(3.0))] == [1]


def test_a_list_meets_one_arm_and_counts_as_one_unit(scene: Make) -> None:
    made = scene(FILMS.model_copy(update={"query": "hour"}), Route(champion=1, challenger=2, weight=50), size, size)
    asked = [
        {"entity": {"place": f"p{place}"}, "features": {"size": float(place), "hour": hour}}
        for hour in range(12)
        for place in range(5)
    ]
    answers = ask(made, *asked)
    by_list: dict[int, set[str]] = {}
    for request, answer in zip(asked, answers, strict=True):
        by_list.setdefault(request["features"]["hour"], set()).add(answer["arm"])
    assert all(len(arms) == 1 for arms in by_list.values())
    units = {(request["features"]["hour"], record.unit) for request, record in zip(asked, logged(made), strict=True)}
    assert len(units) == 12


def test_a_list_is_answered_by_one_version_though_only_one_of_its_candidates_fails(scene: Make) -> None:
    made = scene(FILMS, Route(champion=1, previous=2), fails_over(5), Says(lambda rows: -rows[:, 1]))
    answers = ask(made, one(1.0), one(9.0), one(2.0, "p2"))
    assert [(answer["version"], answer["place"]) for answer in answers] == [(2, 1), (2, 2), (1, 1)]
    assert [answer["degraded"] for answer in answers] == [["champion"], ["champion"], []]


def test_a_query_that_is_no_key_and_no_feature_has_the_request_as_its_list(scene: Make) -> None:
    made = scene(Ranking(query="session", item="place"), ALONE, size)
    assert [answer["place"] for answer in ask(made, one(1.0), one(2.0, "p2"))] == [2, 1]
    assert len({record.unit for record in logged(made)}) == 1


# -- the Open Inference Protocol ----------------------------------------------------------------------------------------------


def inferred(scene: Scene, *sizes: float) -> list[dict[str, Any]]:
    rows = [[0.5, value, 1.0] for value in sizes]
    tensor = {"name": "features", "shape": [len(rows), 3], "datatype": "FP32", "data": rows}
    body, length = infer.infer(scene.deployment, 1, json.dumps({"inputs": [tensor]}).encode(), None)
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


def named(scene: Make) -> Scene:
    """A model of columns: a text, a truth and a vector; its value is the text's length, a tenth more where the truth holds."""
    made = scene(Regression(scale=5), ALONE, size)
    inputs = (
        Feature(name="title", dtype="text"),
        Feature(name="new", dtype="bool", default=False),
        Feature(name="point", dtype="vector[2]"),
    )

    def outputs(rows: Columns) -> list[float]:
        points = np.nan_to_num(rows["point"], nan=-1.0).sum(axis=1)
        return [len(title) + 0.5 * new + point for title, new, point in zip(rows["title"], rows["new"], points, strict=True)]

    encoder = Encoder(tuple(Input(each.name, each.dtype, each.default) for each in inputs), form="columns")
    changed = replace(made.deployment.models[1], encoder=encoder, scorer=Says(outputs), inputs=inputs)
    made.deployment = replace(made.deployment, models={1: changed})
    return made


GOOD = {
    "title": ("BYTES", [3], ["abc", None, "\N{SNOWMAN}"]),
    "new": ("BOOL", [3], [True, False, None]),
    "point": ("FP32", [3, 2], [1, 2, None, None, 3, 4]),
}


def test_a_model_of_columns_is_asked_by_its_columns(scene: Make) -> None:
    made = named(scene)
    body, _ = infer.infer(made.deployment, 1, columns(**GOOD), None)  # type: ignore[arg-type]
    assert json.loads(body)["outputs"][0]["data"] == [3 + 0.5 + 3, 0 - 2, 1 + 7]
    assert [(each["name"], each["datatype"], each["shape"]) for each in infer.metadata(made.deployment, 1)["inputs"]] == [
        ("title", "BYTES", [-1]),
        ("new", "BOOL", [-1]),
        ("point", "FP32", [-1, 2]),
    ]


@pytest.mark.parametrize(
    ("name", "tensor", "says"),
    [
        ("title", ("FP32", [3], [1, 2, 3]), "Wrong datatype"),
        ("title", ("BYTES", [3], ["a", 1, "b"]), "Not a text"),
        ("title", ("BYTES", [3], ["a", "b", "c" * 70_000]), "too long"),
        ("new", ("INT64", [3], [1, 0, 1]), "Wrong datatype"),
        ("new", ("BOOL", [3], [True, 1, None]), "Not a truth"),
        ("point", ("FP32", [3, 3], [0] * 9), "Wrong shape of a vector"),
        ("point", ("FP32", [3, 2], [1, None, 1, 1, 1, 1]), "known as a whole"),
        ("point", ("FP32", [3, 2], ["x", 1, 1, 1, 1, 1]), "Not a number"),
        ("point", ("FP32", [2, 2], [1, 1, 1, 1]), "one shape"),
        ("features", ("FP32", [3, 1], [1, 1, 1]), "Unknown inputs"),
    ],
)
def test_columns_that_are_none_are_refused(scene: Make, name: str, tensor: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        infer.infer(named(scene).deployment, 1, columns(**{**GOOD, name: tensor}), None)
    assert refused.value.status == 400


# -- the shadow ---------------------------------------------------------------------------------------------------------------


def shadowed(scene: Scene) -> list[Record]:
    home = scene.folder / "shadow"
    home.mkdir()
    scorer = Scorer(lambda model, version, scratch: scene.deployment.models[version], home, home, Metrics())
    for lines in scene.shadowed:
        scorer.take(Frame("toy", version=2, lines=lines))
    return list(read_records(home, "toy"))


def test_a_shadow_says_all_outputs_beside_those_that_were_answered(scene: Make) -> None:
    other = Says(lambda rows: np.tile([0.25, 0.25, 0.5], (len(rows), 1)))
    made = scene(STARS, ALONE, stars, other)
    ask(made, one(0.5))
    (record,) = shadowed(made)
    assert (record.score, record.outputs, record.decision) == (0.5, [0.25, 0.25, 0.5], 2)
    assert (record.against, record.against_outputs, record.against_version) == (0.5, [0.5, 0.25, 0.25], 1)


def test_a_shadow_places_the_candidates_of_a_list_itself(scene: Make) -> None:
    made = scene(FILMS, ALONE, size, Says(lambda rows: -rows[:, 1]))
    ask(made, one(1.0), one(2.0), one(3.0, "p2"))
    ask(made, one(5.0), one(4.0))
    assert [(r.place, r.against_place) for r in shadowed(made)] == [(0, 1), (1, 0), (0, 0), (1, 0), (0, 1)]


def test_a_shadow_that_fails_on_a_candidate_places_nobody_of_its_list(scene: Make) -> None:
    made = scene(FILMS, ALONE, size, fails_over(5))
    ask(made, one(1.0), one(9.0), one(2.0, "p2"))
    assert [(r.score, r.place, r.error) for r in shadowed(made)] == [
        (1.0, None, None),
        (None, None, "version 2 failed: too large"),
        (2.0, 0, None),
    ]
