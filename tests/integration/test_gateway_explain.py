"""Explanations as a caller meets them: a real gateway process, a real version with its background, plain callers beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from include.core.control import versions
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.routing.route import Route
from tests.integration.gateway_calls import post
from tests.support.gateway_world import World, eventually, heat_score

NAME = "told"
EVALUATION = 'evaluation={"explanations": {}}, training=Training('


@pytest.mark.whole
def test_a_caller_asks_why_and_plain_callers_do_not_wait(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.add_model(NAME, explain='{"waiting": 2, "time_limit": 30}')
    spec = tmp_path / "code" / "things_models" / NAME / "spec.py"
    spec.write_text(spec.read_text().replace("training=Training(", EVALUATION))
    world.register(1, heat_score(), name=NAME)
    _evaluated(world, tmp_path)
    world.route(Route(champion=1), NAME)
    world.start()
    try:
        body = {"entity": {"place": "oslo"}, "features": {"colour": "red", "size": 2.0}}
        eventually(lambda: post(world, f"/predict/{NAME}", body).status_code == 200)
        answer = post(world, f"/predict/{NAME}", {**body, "id": "r-1", "explain": True}).json()
        why = answer["explanation"]
        assert why["base"] == pytest.approx(0.4, abs=1e-6)  # the mean of the background's heat, which is the score
        assert why["base"] + sum(why["contributions"].values()) == pytest.approx(answer["score"], abs=1e-6)
        assert why["contributions"]["heat"] == pytest.approx(0.1, abs=1e-6)
        assert why["contributions"]["colour"] == pytest.approx(0, abs=1e-9)
        assert set(post(world, f"/predict/{NAME}", {**body, "explain": 1}).json()["explanation"]) >= {"rest", "contributions"}
        _over_the_protocol(world, why)
        _many(world, body)
        metrics = httpx.get(f"{world.url}/metrics").text
        assert f'slipstream_explanations_total{{model="{NAME}",result="computed"}}' in metrics
        document = httpx.get(f"{world.url}/openapi.json").json()
        assert "explain" in document["components"]["schemas"]["Predict"]["oneOf"][0]["properties"]
    finally:
        world.stop()


def _over_the_protocol(world: World, why: dict[str, object]) -> None:
    """The same of the same row over the Open Inference Protocol, by the client of ours; and nothing for who does not ask."""
    rows = [{"heat": 0.5, "colour": "red", "size": 2.0}, {"heat": None, "colour": None, "size": None}]
    client = world.client()
    try:
        told = client.explain(NAME, 1, rows)
        assert told[0] == why
        assert told[1]["base"] == why["base"]
        answer = client.predict(NAME, {"place": "oslo"}, {"colour": "red", "size": 2.0}, explain=True)
        assert answer["explanation"] == why
    finally:
        client.close()
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [0.5, 1, 2]}
    plain = post(world, f"/v2/models/{NAME}/infer", {"inputs": [tensor]}).json()
    assert [output["name"] for output in plain["outputs"]] == ["score"]
    metadata = httpx.get(f"{world.url}/v2/models/{NAME}").json()
    assert [output["name"] for output in metadata["outputs"]] == ["score"]
    assert metadata["parameters"]["explanations"]["features"] == ["heat", "colour", "size"]
    assert post(world, f"/v2/models/{NAME}/infer", {"inputs": [tensor], "parameters": {"explain": 3}}).status_code == 400


def _many(world: World, body: dict[str, object]) -> None:
    """Callers that ask why, and plain ones at the same time: everybody has a score, and nobody a 429."""

    def ask(number: int) -> tuple[int, dict[str, object]]:
        size = {"colour": "red", "size": float(number)}
        wish = {"explain": True} if number % 2 else {}
        answer = post(world, f"/predict/{NAME}", {**body, "features": size, **wish})
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(ask, range(120)))
    assert {status for status, _ in answers} == {200}
    assert all(answer["degraded"] == [] and answer["score"] == pytest.approx(0.5) for _, answer in answers)
    assert all(("explanation" in answer) == bool(number % 2) for number, (_, answer) in enumerate(answers))


def _evaluated(world: World, folder: Path) -> None:
    """Give the version an evaluation that kept rows to explain against."""
    kept = folder / "background.parquet"
    pq.write_table(pa.table({"heat": [0.2, 0.6], "colour": ["red", "blue"], "size": [1.0, 2.0]}), kept)
    ledger, request = Ledger(world.settings.storage()), Request("evaluate", "tests:none", NAME, {})
    made = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome({}, {kept.name: kept}), 0.1)
    with world.control.transaction() as connection:
        query = sa.select(versions.c.record).where(versions.c.model == NAME)
        record = {**connection.execute(query).scalar(), "evaluation": ledger.ref(made).to_json()}
        connection.execute(versions.update().where(versions.c.model == NAME).values(record=record))
