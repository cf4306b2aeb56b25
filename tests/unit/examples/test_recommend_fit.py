from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from examples.models.recommend.spec import SPEC
from examples.models.recommend.train import fit, learn, liked_by_member, scores
from include.core.storage import LocalStorage
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder, Input
from include.problems.of import params_of, signature_of
from include.retrieval.version import open_retrieval
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.train_step import verify

FILMS = [f"f{number}" for number in range(12)]  # the even ones are liked by half of the members, the odd ones by the others


def _texts(values: list[str]) -> Any:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _rows(visits: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    rows: list[tuple[str, str, str, str, float]] = []
    queries = []
    for visit in range(visits):
        kind = visit % 2
        mine = [film for place, film in enumerate(FILMS) if place % 2 == kind]
        had = list(random.choice(mine, 3, replace=False))
        for film in FILMS:
            if film not in had:
                rows.append((f"m{visit}", " ".join(had), " ".join(had), film, float(film in mine)))
                queries.append(visit)
    member, liked, rated, film, label = (list(each) for each in zip(*rows, strict=True))
    share = np.array([float(name == "f0") * 5 for name in film], dtype=np.float32)
    columns = Columns({
        "member": _texts(member), "liked": _texts(liked), "rated": _texts(rated), "charted": _texts(["f0"] * len(film)),
        "film": _texts(film), "share": share, "share_of_first": share,
    })  # fmt: skip
    labels = np.array(label, dtype=np.float32)
    return Rows(np.stack([share, share], axis=1), labels, columns, queries=np.array(queries))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    folder = tmp_path_factory.mktemp("fit")
    inputs = tuple(Input(each.name, each.dtype, each.default) for each in SPEC.features.inputs)
    encoder = Encoder(inputs, SPEC.label, "columns")
    job = TrainingJob(
        _rows(60, 1), _rows(20, 2), {**encoder.to_json(), **signature_of(params_of(SPEC))},
        params={"width": 4, "ridge": 1.0, "weight_of_share": 0.1, "candidates": 6},
        checkpoints=CheckpointStore(LocalStorage(folder), "checkpoints"), model_path=folder / "model.onnx",
    )  # fmt: skip
    fit(job)
    return job


def test_the_ranker_puts_first_what_the_member_likes(job: TrainingJob) -> None:
    assert (verify(job)["ndcg"] or 0) > 0.95
    assert [row["weight_of_share"] for row in job.history] == [0.0, 0.1]


def test_the_version_brings_films_near_the_member(job: TrainingJob) -> None:
    retrieval = open_retrieval(job.shipped, job.encoder)
    assert retrieval is not None
    row = {"liked": "f1 f3", "rated": "f1 f3", "charted": "f0 unknown"}
    found = retrieval.candidates(row, retrieval.vector(row), ())
    assert set(found[:4]) == {"f5", "f7", "f9", "f11"}
    assert found[-1] == "unknown"  # of the charts, without a vector
    assert retrieval.vector({"liked": ""}) is None


def test_the_file_ranks_as_the_model(job: TrainingJob) -> None:
    rows = job.validation.columns
    assert rows is not None
    vectors = learn(liked_by_member(rows, job.validation.labels), 4, 1.0)
    assert set(vectors.films) == set(FILMS)
    unknown = Columns({name: array[:2] for name, array in rows.items()} | {"liked": _texts(["", "nothing"])})
    assert scores(vectors, unknown, 1.0).tolist() == pytest.approx(np.sqrt(unknown["share_of_first"] / 100).tolist())


def test_what_a_member_liked_is_of_lists_and_of_labels() -> None:
    rows = Columns({
        "member": _texts(["a", "a", "b", "b"]), "liked": _texts(["x", "x y", "", ""]), "film": _texts(["z", "w", "x", "v"]),
    })  # fmt: skip
    assert liked_by_member(rows, np.array([1, 0, 1, 0], np.float32)) == [{"x", "y", "z"}, {"x"}]
