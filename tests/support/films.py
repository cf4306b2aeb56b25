"""A model that recommends films to guests, over four of them: for tests of retrieval, ranking and their serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from include.backends.onnx.bags import Graph
from include.core.spec import Data, Feature, Features, ModelSpec, Ranking, Training, View
from include.model_contract.batch import Columns, Encoded, Floats
from include.model_contract.encoder import Encoder, Input
from include.retrieval.items import Items
from include.retrieval.nearest import Exact
from include.retrieval.version import Retrieval
from include.serving.models.answers import Answers
from include.serving.models.loaded_model import LoadedModel

FILMS = ("alien", "brazil", "casablanca", "diva")
VECTORS = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], dtype=np.float32)
POPULAR = np.array([2, 3, 0, 1])
SHARES = {"alien": 0.1, "brazil": 0.9, "casablanca": 0.5, "diva": 0.2, "evita": 0.7}  # the last one has no vector


def text(name: str) -> Feature:
    return Feature(name=name, dtype="text", default="")


SPEC = ModelSpec(
    name="films",
    owner="tests",
    description="films",
    label="liked",
    problem=Ranking(query="visit", item="film", at=2, default=-1.0),
    data=Data(sources=("ratings",), first=date(2020, 1, 1)),
    features=Features(
        build="x:a",
        entities="x:b",
        labels="x:c",
        views=(
            View(name="taste", keys=("guest",), features=(text("likes"), text("had"))),
            View(name="film", keys=("film",), features=(Feature(name="share", default=0.0),), ttl=timedelta(days=28)),
        ),
        request=(text("new"),),
    ),
    expectations="x:d",
    training=Training(fit="x:e", inputs="columns"),
)
ENCODER = Encoder(
    (Input("likes", "text", ""), Input("had", "text", ""), Input("share", "float", 0.0), Input("new", "text", "")),
    "liked",
    "columns",
)


class Query:
    """The vector of a film that is liked; zeros of none. Another text than a film's fails."""

    named, inputs = True, 1

    def score(self, features: Encoded) -> Floats:
        assert isinstance(features, Columns)
        return np.stack([VECTORS[FILMS.index(liked)] if liked else np.zeros(2, np.float32) for liked in features["likes"]])


class Shares:
    """The score is the film's share, times `factor`."""

    named, inputs = True, 1

    def __init__(self, factor: float = 1.0, fails: bool = False) -> None:
        self.factor, self.fails, self.rows = factor, fails, 0

    def score(self, features: Encoded) -> Floats:
        if self.fails:
            raise RuntimeError("a broken ranker")
        assert isinstance(features, Columns)
        self.rows += len(features)
        return np.asarray(features["share"] * self.factor, np.float32)


def items(candidates: int = 3) -> Items:
    return Items(FILMS, VECTORS, POPULAR, inputs=("likes",), candidates=candidates, seen="had", also="new")


def version(number: int = 1, ranker: Shares | None = None, *, brings: bool = True, candidates: int = 3) -> LoadedModel:
    """A loaded version. `brings`: whether it has anything to recommend."""
    found = items(candidates)
    likes = Encoder(ENCODER.inputs[:1], ENCODER.label, ENCODER.form)
    retrieval = Retrieval(found, Exact(found.vectors), likes, Query()) if brings else None
    inputs = tuple(Feature(name=each.name, dtype=each.dtype, default=each.default) for each in ENCODER.inputs)
    return LoadedModel(
        number, f"digest-{number}", ENCODER, ranker or Shares(), inputs=inputs, answers=Answers(SPEC), retrieval=retrieval
    )


def known(entities: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the store knows of films."""
    return [{"share": SHARES[entity["film"]]} if entity["film"] in SHARES else {} for entity in entities]


def query_file() -> bytes:
    """The encoder of queries as ONNX: the vectors of what is liked, added up."""
    graph = Graph()
    table = np.vstack([np.zeros((1, 2)), VECTORS]).astype(np.float32)
    numbers = graph.numbers_of("likes", {film: number for number, film in enumerate(FILMS, 1)})
    file: bytes = graph.model({"likes": "string"}, graph.sums(numbers, table), "vector", 2).SerializeToString()
    return file


def ranker_file(factor: float = 1.0) -> bytes:
    """The ranker as ONNX: the film's share, times `factor`."""
    graph = Graph()
    score = graph.node("Mul", "share", graph.constant(factor))
    file: bytes = graph.model({"share": "float"}, score, "score").SerializeToString()
    return file
