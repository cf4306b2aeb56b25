"""A shop to recommend from: so many items with vectors, users who liked some, and a gateway that serves the case's own model."""

from __future__ import annotations

import http.client
import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
import pyarrow as pa

from benchmarks.gateway.world import TOKEN, World
from examples.models.recommend.spec import SPEC
from examples.models.recommend.train import Vectors, query, ranker
from include.core.control import versions
from include.core.digest import PROJECT
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.time import now, timestamp
from include.metrics.arrays import Floats
from include.model_contract.encoder import Encoder, Input
from include.online_store.open import open_online
from include.problems.of import params_of
from include.retrieval.items import Items
from include.retrieval.version import write_retrieval
from include.training.train_step import problem_signature
from include.versions.lifecycle import Stage

WIDTH, CENTRES, SPREAD = 32, 2000, 0.6
LIKED, USERS, KNOWN = 20, 300, 5000  # films of a user; users; films that are liked, those most popular
CANDIDATES, CHARTED = 200, 100
MARKET = "us"


def vectors(count: int, seed: int = 7) -> Any:
    """float32 [count, WIDTH] in clusters, as learnt vectors are."""
    random, centres = np.random.default_rng(seed), np.random.default_rng(5).normal(size=(CENTRES, WIDTH))
    return (centres[random.integers(0, CENTRES, count)] + SPREAD * random.normal(size=(count, WIDTH))).astype(np.float32)


class Shop:
    """The world of the gateway's bench, with one version that recommends."""

    def __init__(self, home: Path, size: int) -> None:
        library = [path for path in sys.path if path.endswith("library")]
        path = os.pathsep.join([str(PROJECT), *library])
        self.world = World(home, {"SLIPSTREAM_MODELS": "examples.models", "PYTHONPATH": path})
        self._publish(size)

    def __enter__(self) -> Self:
        self.url = self.world.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.world.stop()

    def ask(self, count: int) -> list[float]:
        """Milliseconds of each list; the first ones warm what is to be warm."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        headers, times = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}, []
        for number in range(20 + count):
            body = json.dumps({"entity": {"user_id": f"u{number % USERS}", "market": MARKET}})
            begun = perf_counter()
            connection.request("POST", f"/recommend/{SPEC.name}", body, headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
            times.append(1e3 * (perf_counter() - begun))
            assert answer.status == 200, said
            assert len(said["items"]) == 10, said
            assert not said["degraded"], said
        return times[20:]

    def _publish(self, size: int) -> None:
        films, made = tuple(f"f{number}" for number in range(size)), vectors(size)
        known = np.vstack([np.zeros((1, WIDTH)), made[:KNOWN]]).astype(np.float32)
        tower = Vectors(films[:KNOWN], known, known)
        folder = self.world.home / "made"
        folder.mkdir()
        items = Items(films, made, np.arange(min(size, 1000)), ("liked",), CANDIDATES, seen="rated", also="charted")
        files = write_retrieval(folder, items, query(tower).SerializeToString())
        files["model.onnx"] = folder / "model.onnx"
        files["model.onnx"].write_bytes(ranker(tower, 3.0).SerializeToString())
        files["signature.json"] = folder / "signature.json"
        inputs = tuple(Input(each.name, each.dtype, each.default) for each in SPEC.features.inputs)
        contract = {**Encoder(inputs, SPEC.label, "columns").to_json(), **problem_signature(params_of(SPEC))}
        files["signature.json"].write_text(json.dumps(contract))
        self._register(files)
        self._fill(items, tower)

    def _register(self, files: dict[str, Path]) -> None:
        ledger = Ledger(self.world.settings.storage())
        request = Request("train", "bench:none", SPEC.name, {"version": 1})
        result = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome({}, files), 0.1)
        row = {"key": "v1", "model": SPEC.name, "version": 1, "semver": "1.1.0", "stage": str(Stage.CANDIDATE)}
        with self.world.control.transaction() as connection:
            connection.execute(versions.insert().values(**row, record={"train": ledger.ref(result).to_json()}, at=timestamp()))
        self.world.route(SPEC.name, champion=1)

    def _fill(self, items: Items, tower: Vectors) -> None:
        """Users, the chart, and the features of every film that a list may be made of."""
        random, moment = np.random.default_rng(3), now().replace(tzinfo=None) - timedelta(hours=1)
        users, charted = [f"u{number}" for number in range(USERS)], list(items.ids[:CHARTED])
        liked = [list(random.choice(min(KNOWN, len(items.ids)), LIKED, replace=False)) for _ in users]
        texts = [" ".join(items.ids[place] for place in each) for each in liked]
        self._write("taste", {"user_id": users, "member": users, "liked": texts, "rated": texts}, moment)
        self._write("charts", {"market": [MARKET], "charted": [" ".join(charted)]}, moment)
        films = sorted({*charted, *self._near(items, tower, liked)})
        shares = random.random(len(films))
        self._write("film", {"film_id": films, "film": films, "share": shares, "share_of_first": shares}, moment)

    def _near(self, items: Items, tower: Vectors, liked: list[list[int]]) -> set[str]:
        """What is near each user: comparing all of a million is what takes the time here."""
        asks: Floats = np.stack([tower.asks[np.array(each) + 1].sum(axis=0) for each in liked])
        count = min(2 * CANDIDATES, len(items.ids) - 1)
        return {items.ids[place] for ask in asks for place in np.argpartition(-(items.vectors @ ask), count)[:count].tolist()}

    def _write(self, view: str, columns: dict[str, Any], moment: datetime) -> None:
        rows = len(next(iter(columns.values())))
        table = pa.table({**columns, "event_timestamp": pa.array([moment] * rows, pa.timestamp("us"))})
        found = next(each for each in SPEC.features.views if each.name == view)
        open_online(self.world.settings.online_url).write(SPEC.name, found, table, moment)
