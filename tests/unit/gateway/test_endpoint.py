"""The container of an endpoint: SageMaker's contract, answered by the gateway's own code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.core.digest import canonical_json
from include.core.errors import SpecError
from include.gateway.endpoint import Served, app_of, take_in
from include.prediction_log.reader import read_records
from include.services.services import Services
from include.serving.endpoint_record import RECORDS, record_of
from include.versions.queries import stored
from tests.support.gateway_world import World, body, heat_score

NAME = "elsewhere"
PATH = f"endpoints/{NAME}/v2-0.json"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A container's, beside the installation where version 2 was registered: the root is all that they share."""
    world = World(tmp_path_factory.mktemp("installation"))
    world.add_model(NAME, target='"sagemaker"')
    world.register(2, heat_score(), name=NAME)
    kept = RECORDS.stamp({**record_of(stored(world.control, NAME, 2)), "model": NAME, "version": 2, "semver": "1.2.0"})
    world.settings.storage().create(PATH, canonical_json(kept))
    home = tmp_path_factory.mktemp("container")
    own = {"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_ROOT": world.settings.root, "SLIPSTREAM_ENDPOINT_VERSION": PATH}
    sys.path.insert(0, str(world.home / "code"))
    yield Services.from_env({"SLIPSTREAM_MODELS": "things_models", **own})
    sys.path.remove(str(world.home / "code"))


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The app between its startup and its shutdown, as uvicorn would have it."""
    told, said = asyncio.Queue[dict[str, Any]](), asyncio.Queue[dict[str, Any]]()
    life = asyncio.create_task(app({"type": "lifespan"}, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    await said.get()
    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://container") as client:
            yield client
    finally:
        await told.put({"type": "lifespan.shutdown"})
        await life


def test_it_speaks_the_contract_with_the_gateways_own_answers(services: Services) -> None:
    served = take_in(services)
    assert take_in(services) == served == Served(NAME, 2), "a container that is started again"

    async def ask() -> dict[str, httpx.Response]:
        async with living(app_of(services, served)) as client:
            post = client.post
            custom = "x-amzn-sagemaker-custom-attributes"
            infer = {"inputs": [
                {"name": "heat", "shape": [1], "datatype": "FP32", "data": [0.75]},
                {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]},
                {"name": "size", "shape": [1], "datatype": "FP32", "data": [1.0]},
            ]}  # fmt: skip
            return {
                "ping": await client.get("/ping"),
                "one": await post("/invocations", json=body(id="mine")),
                "named": await post("/invocations", json=body(), headers={custom: "id=theirs, trace=1"}),
                "many": await post("/invocations", json={"requests": [body(), body()]}),
                "infer": await post("/invocations", json=infer, headers={custom: "slipstream=infer"}),
                "metadata": await post("/invocations", content=b"{}", headers={custom: "slipstream=metadata"}),
                "wrong": await post("/invocations", json=body(colour=3)),
                "no json": await post("/invocations", content=b"{", headers={"content-type": "application/json"}),
                "csv": await post("/invocations", content=b"1,2", headers={"content-type": "text/csv"}),
                "question": await post("/invocations", json=body(), headers={custom: "slipstream=dump"}),
                "elsewhere": await post(f"/predict/{NAME}", json=body()),
                "method": await client.get("/invocations"),
            }

    seen = asyncio.run(ask())
    assert {name: answer.status_code for name, answer in seen.items()} == {
        "ping": 200, "one": 200, "named": 200, "many": 200, "infer": 200, "metadata": 200,
        "wrong": 400, "no json": 400, "csv": 415, "question": 400, "elsewhere": 404, "method": 405,
    }  # fmt: skip
    assert seen["one"].json()["id"] == "mine"
    assert (seen["one"].json()["version"], seen["one"].json()["score"]) == (2, 0.5), "the default of the feature"
    assert seen["named"].json()["id"] == "theirs"
    assert len(seen["many"].json()["responses"]) == 2
    assert seen["infer"].json()["outputs"][0]["data"] == [0.75]
    assert [column["name"] for column in seen["metadata"].json()["parameters"]["columns"]] == ["heat", "colour", "size"]
    logged = [record for record in read_records(services.settings.home, NAME) if record.version == 2]
    assert {"mine", "theirs"} < {record.id for record in logged}
    assert {record.generation for record in logged} == {2}, "the version, whoever answers"
    assert len(logged) == 4, "what asks the version itself is no prediction"


def test_an_environment_that_names_no_version_or_a_control_store_is_refused(services: Services, tmp_path: Path) -> None:
    for variables in ({}, {"SLIPSTREAM_ENDPOINT_VERSION": PATH, "SLIPSTREAM_CONTROL_URL": "sqlite:///x"}):
        with pytest.raises(SpecError, match="control store of its own"):
            take_in(Services.from_env({"SLIPSTREAM_HOME": str(tmp_path), **variables}))
    assert json.loads(services.storage.read(PATH))["v"] == 1
