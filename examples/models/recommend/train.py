"""How the model learns: vectors of films from what users have liked together, and a ranker that weighs taste and fashion.

Films that are liked by the same users lie near each other: the weights of a linear model that says each film by all the others
(EASE), cut to their strongest directions. A user's vector is the sum of what the liked films stand for, of length one. The
ranker's score is how near a film is, and `weight` times the root of its share of the likes of these two weeks. Who has liked
nothing yet is shown what others liked on their first visit.

H. Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.backends.onnx.bags import Floats, Graph
from include.model_contract.batch import Columns
from include.retrieval.items import Items
from include.retrieval.version import write_retrieval
from include.training.job import TrainingJob

if TYPE_CHECKING:
    from onnx import ModelProto


EPSILON = 1e-9


class Vectors(NamedTuple):
    """Of `films`: `asks` [films + 1, width], what each adds to the vector of a user who liked it, and `vectors`, what that is
    compared with. Row 0 of both is zeros, for films that are not known; the film at place p has row p + 1."""

    films: tuple[str, ...]
    asks: Floats
    vectors: Floats

    @property
    def numbers(self) -> dict[str, int]:
        return {film: number for number, film in enumerate(self.films, 1)}


def fit(job: TrainingJob) -> None:
    rows, newer = job.train.columns, job.validation.columns
    assert rows is not None  # the spec says training.inputs="columns"
    assert newer is not None
    vectors = learn(liked_by_member(rows, job.train.labels), int(job.params["width"]), float(job.params["ridge"]))
    weight = float(job.params["weight_of_share"])
    report(job, newer, vectors, weight)
    job.expect(scores(vectors, newer, weight))
    job.model_path.write_bytes(ranker(vectors, weight).SerializeToString())
    items = Items(
        vectors.films,
        vectors.vectors[1:],
        popular(rows, vectors),
        inputs=("liked",),
        candidates=int(job.params["candidates"]),
        seen="rated",
        also="charted",
    )
    job.ship(write_retrieval(job.model_path.parent, items, query(vectors).SerializeToString()))


def report(job: TrainingJob, rows: Columns, vectors: Vectors, weight: float) -> None:
    """How well the newest visits are put in order, of members who had liked something: by taste alone, and with the share."""
    known, truth = np.flatnonzero(rows["liked"] != ""), job.validation.truth()
    if not len(known):
        return
    some, asked = rows[known], truth.take(known)
    for step, each in enumerate((0.0, weight)):
        found = job.problem.measure(asked, scores(vectors, some, each))["ndcg"]
        job.report({"weight_of_share": each, "ndcg_of_newest": found if found is not None else 0.0}, step)


def liked_by_member(rows: Columns, labels: Floats) -> list[set[str]]:
    """What each member had liked before their visits, and on them."""
    found: dict[str, set[str]] = {}
    for member, liked in set(zip(rows["member"], rows["liked"], strict=True)):
        found.setdefault(member, set()).update(liked.split())
    for member, film in zip(rows["member"][labels > 0], rows["film"][labels > 0], strict=True):
        found[member].add(film)
    return [found[member] - {""} for member in sorted(found)]


def learn(likes: Sequence[set[str]], width: int, ridge: float) -> Vectors:
    films = tuple(sorted({film for each in likes for film in each}))
    place = {film: number for number, film in enumerate(films)}
    together = ridge * np.eye(len(films))
    for each in likes:
        places = np.array(sorted(place[film] for film in each), dtype=int)
        together[np.ix_(places, places)] += 1
    inverse = np.linalg.inv(together)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    left, strength, right = np.linalg.svd(weights, full_matrices=False)
    root, zero = np.sqrt(strength[:width]), np.zeros((1, min(width, len(films))))
    asks, vectors = (np.vstack([zero, each[:, :width] * root]).astype(np.float32) for each in (left, right.T))
    return Vectors(films, asks, vectors)


def scores(vectors: Vectors, rows: Columns, weight: float) -> Floats:
    """What the file says of each row: float32 [n]."""
    numbers, asked = vectors.numbers, {}
    for liked in set(rows["liked"]):
        total = vectors.asks[[numbers.get(film, 0) for film in liked.split()]].sum(axis=0)
        asked[liked] = total / (np.linalg.norm(total) + EPSILON)
    users = np.stack([asked[liked] for liked in rows["liked"]])
    films = vectors.vectors[[numbers.get(film, 0) for film in rows["film"]]]
    share = np.where(users.any(axis=1), rows["share"], rows["share_of_first"])
    found: Floats = ((users * films).sum(axis=1) + weight * np.sqrt(np.maximum(share, 0) / 100)).astype(np.float32)
    return found


def popular(rows: Columns, vectors: Vectors) -> NDArray[np.int64]:
    """Places of films, those first of which first visits have liked most in the newest of the rows."""
    newest = dict(zip(rows["film"], rows["share_of_first"], strict=True))  # rows come in the order of their time
    shares = np.array([newest.get(film, 0.0) for film in vectors.films])
    return np.argsort(-shares, kind="stable").astype(np.int64)


# -- the files --------------------------------------------------------------------------------------------


def query(vectors: Vectors) -> ModelProto:
    """`liked` (text) [n] to `vector` [n, width]; zeros for who has liked nothing that is known."""
    graph = Graph()
    return graph.model({"liked": "string"}, _user(graph, vectors), "vector", vectors.asks.shape[1])


def ranker(vectors: Vectors, weight: float) -> ModelProto:
    """`liked`, `film` (text), `share` and `share_of_first` [n] to `score` [n]."""
    graph = Graph()
    user = _user(graph, vectors)
    film = graph.node("Gather", graph.constant(vectors.vectors), graph.lookup("film", vectors.numbers), axis=0)
    axis = graph.constant([1], "int64")
    near = graph.node("ReduceSum", graph.node("Mul", user, film), axis, keepdims=0)
    unknown = graph.node("Equal", graph.node("ReduceL2", user, axis, keepdims=0), graph.constant(0.0))
    share = graph.node("Where", unknown, "share_of_first", "share")
    share = graph.node("Where", graph.node("IsNaN", share), graph.constant(0.0), share)
    root = graph.node("Sqrt", graph.node("Max", graph.node("Div", share, graph.constant(100.0)), graph.constant(0.0)))
    score = graph.node("Add", near, graph.node("Mul", root, graph.constant(weight)))
    inputs = {"liked": "string", "film": "string", "share": "float", "share_of_first": "float"}
    return graph.model(inputs, score, "score")


def _user(graph: Graph, vectors: Vectors) -> str:
    total = graph.sums(graph.numbers_of("liked", vectors.numbers), vectors.asks)
    length = graph.node("ReduceL2", total, graph.constant([1], "int64"), keepdims=1)
    return graph.node("Div", total, graph.node("Add", length, graph.constant(EPSILON)))
