"""Every kind of problem, from the request to the answer, the log and the shadow."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from include.core.spec import Binary, Costs, MultiClass, Regression
from include.model_contract.batch import Floats
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.problems.of import problem_of
from include.rollout.evidence_accumulator import StageAccumulator
from include.rollout.stage_terms import StageTerms
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.routing.split import Split
from include.serving.prediction.ingest import decode_labels
from include.serving.shadow import Frame, Scorer
from include.serving.telemetry.counters import Metrics
from tests.support.binary_serving import Scene
from tests.support.evidence import evidence_of, slices_of
from tests.support.kinds_serving import ALONE, FILMS, STARS, Make, Says, around, ask, fails_over, logged, one, size, stars


def half_places(scores: Floats) -> Floats:
    """A decision function: yes from .9 on."""
    return (scores >= 0.9).astype(np.int64)


def broken(scores: Floats) -> Floats:
    raise ZeroDivisionError("an author's mistake")


def of_no_class(probabilities: Floats) -> Floats:
    return np.full(len(probabilities), 7)


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
        Binary(costs=Costs(false_positive=1.0, false_negative="size")), ALONE, Says(lambda rows: np.full(len(rows), 0.6))
    )
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


# -- the judge ----------------------------------------------------------------------------------------------------------------

DEAR = Binary(costs=Costs(false_positive=1.0, false_negative="size"))


@pytest.mark.parametrize(
    ("problem", "scorer", "asked", "labels", "event"),
    [
        (Regression(scale=5, interval=0.9), around, [one(1.0), one(20.0, "p2")], [2.0, 2.0], "loss_p50"),
        (STARS, stars, [one(0.5), one(0.5, "p2")], ["one", "three"], "loss"),
        (FILMS.model_copy(update={"at": 1}), size, [one(1.0), one(2.0)], [1, 1], "loss"),
        (DEAR, Says(lambda rows: np.full(len(rows), 0.1)), [one(2.0), one(40.0, "p2"), one(8.0, "p3")], [1, 0, 1], "loss_p50"),
    ],
    ids=["number", "class", "ranking", "costs"],
)
def test_of_what_is_logged_a_label_makes_one_event(
    scene: Make, problem: Any, scorer: Says, asked: list[dict[str, Any]], labels: list[Any], event: str
) -> None:
    made = scene(problem, ALONE, scorer)
    ask(made, *asked)
    stage = StageAccumulator(StageTerms("canary_5", 7, 100, False, {"loss_p50": 5.0}, True, 0.5, True, problem=problem))
    for record in logged(made):
        stage.add(record)
    told = [{"id": f"r{number}", "label": label} for number, label in enumerate(labels)]
    for record in decode_labels(json.dumps({"labels": told}).encode(), problem_of(problem)):
        stage.add_label(record)
    assert [sum(counts) for counts in slices_of(stage)[event]] == [1, 0]


@pytest.mark.parametrize(
    ("problem", "both", "apart"),
    [
        (STARS, (stars, Says(lambda rows: np.tile([0.25, 0.25, 0.5], (len(rows), 1)))), 0.25),
        (Regression(scale=5), (size, Says(lambda rows: rows[:, 1] + 4)), 4.0),
        (FILMS.model_copy(update={"at": 1}), (size, Says(lambda rows: -1000 * rows[:, 1])), 1.0),
    ],
    ids=["class", "number", "ranking"],
)
def test_of_what_is_logged_a_shadow_is_compared(scene: Make, problem: Any, both: tuple[Says, Says], apart: float) -> None:
    made = scene(problem, ALONE, *both)
    ask(made, one(0.5), one(0.25))
    stage = StageAccumulator(StageTerms("shadow", 7, 100, True, {}, False, 0.5, False, problem=problem))
    for record in shadowed(made):
        stage.add(record)
    assert evidence_of(stage).difference == apart


def test_an_experiment_s_arms_are_drawn_by_its_salt_and_written_into_the_log(scene: Make) -> None:
    route = Route(champion=1, challenger=2, experiment=Split("trial", "salt", 5_000, 2_500))
    made = scene(Binary(), route, Says(lambda rows: rows[:, 1] * 0), Says(lambda rows: rows[:, 1] * 0 + 1))
    asked = [{"entity": {"place": f"p{number}"}, "features": {"size": 1.0, "hour": 1}} for number in range(200)]
    answers = ask(made, *asked)
    records = logged(made)
    drawn = [route.draw(0, f"p{number}", unit) for number in range(200)]
    assert [(record.arm, record.experiment) for record in records] == drawn
    assert {arm for arm, _ in drawn} == {"champion", "challenger"}
    assert {experiment for _, experiment in drawn} == {"trial", ""}
    assert [answer["version"] for answer in answers] == [2 if arm == "challenger" else 1 for arm, _ in drawn]
    assert {record.explored for record in records if record.arm == "challenger"} == {"challenger"}
