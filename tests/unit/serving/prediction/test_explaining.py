"""Why an answer is what it is, for callers that ask; and what that may not cost those that do not."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from include.core.errors import SpecError
from include.core.spec import Evaluation, Explain, Explanations, ModelSpec, Regression, Serving
from include.explanations.shapley import Shares
from include.model_contract.batch import Floats
from include.serving.http.request_error import RequestError
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.explaining import Budget, Kept
from include.serving.prediction.request_types import Contract
from tests.support.binary_serving import Scene
from tests.support.explained_serving import BACKGROUND, Curved, likely
from tests.support.kinds_serving import FILMS, STARS, Says, around


async def told(scene: Scene, body: Any) -> Any:
    reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    items, batch = scene.contract.decode(json.dumps(body).encode())
    scene.predictor.run([PendingRequest(items, batch, scene.deployment, reply)], lambda: None)
    return json.loads(await reply)


def asked(place: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": f"r{place}", "entity": {"place": f"p{place}"}, "features": {"size": 0.4, "hour": 7}, **more}


def counts(scene: Scene) -> dict[str, float]:
    series = scene.predictor._metrics.series().get("slipstream_explanations_total", {})
    return {labels[1]: numbers[0] for labels, numbers in series.items()}


# -- what is told ---------------------------------------------------------------------------------------------------------------


def test_contributions_add_up_from_the_base_to_the_score(explained: Any) -> None:
    scene = explained(Curved())

    async def run() -> None:
        for place in range(8):
            answer = await told(scene, asked(place, explain=True))
            why = answer["explanation"]
            assert set(why["contributions"]) == {"heat", "size", "hour"}
            assert why["base"] + sum(why["contributions"].values()) == pytest.approx(answer["score"], abs=1e-6)
            assert why["base"] == pytest.approx(float(Curved().score(BACKGROUND).mean()), abs=1e-6)
            assert (why["of"], why["method"]) == ("score", "exact")

    asyncio.run(run())


def test_a_number_names_the_features_that_moved_it_most_and_keeps_the_sum(explained: Any) -> None:
    scene = explained(Curved())

    async def run() -> None:
        whole = (await told(scene, asked(explain=True)))["explanation"]
        one = (await told(scene, asked(explain=1)))["explanation"]
        assert list(one["contributions"].items()) == list(whole["contributions"].items())[:1]
        assert one["rest"] == pytest.approx(sum(list(whole["contributions"].values())[1:]), abs=1e-12)
        assert counts(scene) == {"computed": 1, "cached": 1}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("problem", "scorer", "said"),
    [
        (Regression(scale=5, interval=0.9), around, "value"),
        (STARS, likely, "class"),
        (FILMS, Says(lambda rows: rows[:, 1] * 0.5), "score"),
    ],
)
def test_every_kind_of_answer_is_explained(explained: Any, problem: Any, scorer: Any, said: str) -> None:
    scene = explained(scorer, problem)

    async def run() -> None:
        body = asked(explain=True)
        if said == "score":
            body["entity"] = {"place": "p1"}
        answer = await told(scene, body)
        why = answer["explanation"]
        of = answer["probabilities"][answer["class"]] if said == "class" else answer[said]
        assert why["of"] == (answer["class"] if said == "class" else said)
        assert why["base"] + sum(why["contributions"].values()) == pytest.approx(of, abs=1e-6)

    asyncio.run(run())


def test_a_batch_explains_those_that_ask(explained: Any) -> None:
    scene = explained(Curved())

    async def run() -> None:
        answers = (await told(scene, {"requests": [asked(1), asked(2, explain=True), asked(3, explain=False)]}))["responses"]
        assert ["explanation" in answer for answer in answers] == [False, True, False]
        assert [answer["id"] for answer in answers] == ["r1", "r2", "r3"]

    asyncio.run(run())


# -- what bounds it -------------------------------------------------------------------------------------------------------------


def test_plain_answers_pass_one_that_is_being_explained(explained: Any) -> None:
    curved = Curved()
    scene = explained(curved)

    async def run() -> None:
        curved.free.clear()
        slow = asyncio.ensure_future(told(scene, asked(1, explain=True)))
        await asyncio.sleep(0)
        plain = [await told(scene, asked(place)) for place in range(2, 20)]
        assert not slow.done()
        assert all(answer["degraded"] == [] and "explanation" not in answer for answer in plain)
        curved.free.set()
        assert "base" in (await slow)["explanation"]

    asyncio.run(run())


def test_beyond_its_bounds_the_answer_comes_without_and_says_why(explained: Any) -> None:
    curved = Curved()
    scene = explained(curved, waiting=1, time_limit=timedelta(milliseconds=30))

    async def run() -> None:
        curved.free.clear()
        late = asyncio.ensure_future(told(scene, asked(1, explain=True)))
        while not scene.predictor.explaining._waiting:
            await asyncio.sleep(0)
        busy = await told(scene, asked(2, explain=True))
        assert (busy["explanation"]["missing"], busy["score"] > 0, busy["degraded"]) == ("busy", True, [])
        assert (await late)["explanation"]["missing"] == "late"
        curved.free.set()
        for _ in range(200):
            if counts(scene).get("computed"):
                break
            await asyncio.sleep(0.01)
        assert "base" in (await told(scene, asked(1, explain=True)))["explanation"], "what came too late is kept"
        assert counts(scene) == {"busy": 1, "late": 1, "computed": 1, "cached": 1}

    asyncio.run(run())


def test_equal_questions_at_once_are_computed_once(explained: Any) -> None:
    curved = Curved()
    scene = explained(curved)

    async def run() -> None:
        answers = await asyncio.gather(*(told(scene, asked(1, explain=True)) for _ in range(5)))
        assert len({json.dumps(answer["explanation"]) for answer in answers}) == 1
        assert curved.runs == 1

    asyncio.run(run())


def test_what_is_not_explained_says_why(explained: Any) -> None:
    def broken(rows: Floats) -> Any:
        if len(rows) > 1:
            raise RuntimeError("no more")
        return rows[:, 1]

    without, failing = explained(Curved(), background=None), explained(Says(broken))
    nobody = explained(Says(lambda rows: rows[:, 1] * np.nan))

    async def run() -> None:
        for scene, why in ((without, "no_background"), (failing, "failed"), (nobody, "no_version")):
            answer = await told(scene, asked(explain=True))
            assert answer["explanation"]["missing"] == why
            assert answer["explanation"]["why"]

    asyncio.run(run())


def test_a_budget_is_a_share_of_the_time_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("include.serving.prediction.explaining.time.monotonic", lambda: now[0])
    budget = Budget(0.1)
    assert budget.allows()
    budget.spend(3.0)  # of the second that there was: the last one ends what it began
    assert not budget.allows()
    now[0] += 19
    assert not budget.allows()
    now[0] += 2
    assert budget.allows()


def test_what_is_kept_has_a_size() -> None:
    shares = Shares(np.zeros((10, 1)), np.zeros(1), np.zeros(1), "exact", 8)
    kept = Kept(2100)
    for key in range(3):
        kept.keep(key, shares)
    assert [kept.get(key) is not None for key in range(3)] == [True, True, True]
    kept.get(0)
    kept.keep(3, shares)
    assert [kept.get(key) is not None for key in range(4)] == [True, False, True, True]
    assert kept.bytes <= 2100
    nothing = Kept(0)
    nothing.keep(1, shares)
    assert nothing.get(1) is None


# -- asking ---------------------------------------------------------------------------------------------------------------------


def test_a_model_that_explains_nothing_says_so(spec: ModelSpec) -> None:
    with pytest.raises(RequestError, match="explain") as refused:
        Contract(spec).decode(json.dumps(asked(explain=True)).encode())
    assert "serving.explain" in str(refused.value.__dict__)


@pytest.mark.parametrize("wrong", [0, 1001, "yes", 1.5, [1]])
def test_what_is_no_wish_for_an_explanation_is_refused(explained: Any, wrong: Any) -> None:
    with pytest.raises(RequestError) as refused:
        explained(Curved()).contract.decode(json.dumps(asked(explain=wrong)).encode())
    assert "how many features" in str(refused.value.__dict__)


def test_the_spec_must_keep_what_answers_are_explained_against(spec: ModelSpec) -> None:
    sections = {**spec.model_dump(), "serving": Serving(explain=Explain())}
    with pytest.raises(SpecError, match=r"serving\.explain: .*evaluation\.explanations"):
        ModelSpec(**sections)
    assert ModelSpec(**{**sections, "evaluation": Evaluation(explanations=Explanations())}).serving.explain
