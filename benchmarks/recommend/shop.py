"""A shop to recommend from: so many items with vectors, users who liked some, and a gateway that serves the case's own model."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.gateway.world import TOKEN
from benchmarks.served_case import ServedCase
from examples.models.recommend.spec import SPEC
from examples.models.recommend.train import Vectors, query, ranker
from include.metrics.arrays import Floats
from include.retrieval.items import Items
from include.retrieval.version import write_retrieval

WIDTH, CENTRES, SPREAD = 32, 2000, 0.6
LIKED, USERS, KNOWN = 20, 300, 5000  # films of a user; users; films that are liked, those most popular
CANDIDATES, CHARTED = 200, 100
MARKET = "us"


def vectors(count: int, seed: int = 7) -> Any:
    """float32 [count, WIDTH] in clusters, as learnt vectors are."""
    random, centres = np.random.default_rng(seed), np.random.default_rng(5).normal(size=(CENTRES, WIDTH))
    return (centres[random.integers(0, CENTRES, count)] + SPREAD * random.normal(size=(count, WIDTH))).astype(np.float32)


class Shop(ServedCase):
    """The case's own model over vectors that are drawn: the towers of a training, and as many items as are asked for."""

    def __init__(self, home: Path, size: int) -> None:
        super().__init__(home, SPEC)
        self._make(size)

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

    def _make(self, size: int) -> None:
        films, made = tuple(f"f{number}" for number in range(size)), vectors(size)
        known = np.vstack([np.zeros((1, WIDTH)), made[:KNOWN]]).astype(np.float32)
        tower = Vectors(films[:KNOWN], known, known)
        folder = self.world.home / "made"
        folder.mkdir()
        items = Items(films, made, np.arange(min(size, 1000)), ("liked",), CANDIDATES, seen="rated", also="charted")
        files = write_retrieval(folder, items, query(tower).SerializeToString())
        files["model.onnx"] = folder / "model.onnx"
        files["model.onnx"].write_bytes(ranker(tower, 3.0).SerializeToString())
        self.publish(files)
        self._fill(items, tower)

    def _fill(self, items: Items, tower: Vectors) -> None:
        """Users, the chart, and the features of every film that a list may be made of."""
        random = np.random.default_rng(3)
        users, charted = [f"u{number}" for number in range(USERS)], list(items.ids[:CHARTED])
        liked = [list(random.choice(min(KNOWN, len(items.ids)), LIKED, replace=False)) for _ in users]
        texts = [" ".join(items.ids[place] for place in each) for each in liked]
        self.write("taste", {"user_id": users, "member": users, "liked": texts, "rated": texts})
        self.write("charts", {"market": [MARKET], "charted": [" ".join(charted)]})
        films = sorted({*charted, *self._near(items, tower, liked)})
        shares = random.random(len(films))
        self.write("film", {"film_id": films, "film": films, "share": shares, "share_of_first": shares})

    def _near(self, items: Items, tower: Vectors, liked: list[list[int]]) -> set[str]:
        """What is near each user: comparing all of a million is what takes the time here."""
        asks: Floats = np.stack([tower.asks[np.array(each) + 1].sum(axis=0) for each in liked])
        count = min(2 * CANDIDATES, len(items.ids) - 1)
        return {items.ids[place] for ask in asks for place in np.argpartition(-(items.vectors @ ask), count)[:count].tolist()}
