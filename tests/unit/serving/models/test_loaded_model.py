"""Which file of a version is served: what was trained, or the INT8 variant that its evaluation let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from include.core.control import versions
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.spec import Binary, Explain, MultiClass, Ranking, Regression
from include.serving.models.loaded_model import load_model
from tests.support.gateway_world import MODEL, World, constant, signature

ROW = {"heat": 0.5, "colour": "red", "size": 1.0}


def evaluated(world: World, ledger: Ledger, files: dict[str, bytes]) -> None:
    """Give version 1 an evaluation with these files."""
    request = Request("evaluate", "tests:none", MODEL, {"files": sorted(files)})
    folder = world.home / f"evaluated-{len(files)}"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    made = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome({}, {name: folder / name for name in files}), 0.1)
    with world.control.transaction() as connection:
        record = connection.execute(sa.select(versions.c.record)).scalar()
        connection.execute(versions.update().values(record={**record, "evaluation": ledger.ref(made).to_json()}))


def test_the_int8_variant_is_served_where_the_evaluation_let_it_through(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register(1, constant(0.1))
    ledger = Ledger(world.settings.storage())
    for files, score in (
        ({"report.html": b"x"}, 0.1),
        ({"report.html": b"x", "model.int8.onnx": constant(0.2).SerializeToString()}, 0.2),
    ):
        evaluated(world, ledger, files)
        loaded = load_model(world.control, ledger, world.spec(), 1, tmp_path)
        assert loaded.score_row(ROW) == pytest.approx(score)


STARS = MultiClass(classes=("one", "two"))
DELAY = Regression(scale=5, interval=0.9)


def signed(problem: Any) -> dict[str, Any]:
    """What training writes of a problem."""
    return {**signature(), "problem": problem.model_dump(mode="json"), "outputs": list(problem.outputs)}


@pytest.mark.parametrize(
    ("trained", "present", "says"),
    [
        (STARS, MultiClass(classes=("two", "one")), r"gives \['one', 'two'\] in that order"),
        (STARS, MultiClass(classes=("one", "two", "three")), r"does not give \['three'\]"),
        (MultiClass(classes=("one", "two", "three")), STARS, r"gives \['three'\] too"),
        (Regression(scale=5), DELAY, r"does not give \['low', 'high'\]"),
        (DELAY, Regression(scale=5), r"gives \['low', 'high'\] too"),
        (Ranking(query="user", item="film"), Binary(), "it is ranking, not binary"),
        (None, Ranking(query="user", item="film"), "it is binary, not ranking"),
    ],
)
def test_a_version_that_was_trained_for_another_problem_is_refused(tmp_path: Path, trained: Any, present: Any, says: str) -> None:
    world = World(tmp_path)
    world.register(1, constant(0.1), signed(trained) if trained else signature())
    spec = world.spec().model_copy(update={"problem": present})
    with pytest.raises(DataError, match=says) as refused:
        load_model(world.control, Ledger(world.settings.storage()), spec, 1, tmp_path)
    assert "trained for another problem" in refused.value.what


def test_a_version_whose_file_gives_other_outputs_than_its_signature_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register(1, constant(0.1), signed(STARS))
    spec = world.spec().model_copy(update={"problem": STARS})
    with pytest.raises(DataError, match=r"outputs of shape \[1\] where \[1, 2\] is needed"):
        load_model(world.control, Ledger(world.settings.storage()), spec, 1, tmp_path)


def test_a_version_of_its_problem_is_served(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register(1, constant(12.5), signed(Regression(scale=5)))
    spec = world.spec().model_copy(update={"problem": Regression(scale=5)})
    loaded = load_model(world.control, Ledger(world.settings.storage()), spec, 1, tmp_path)
    assert loaded.score_row(ROW) == 12.5


def test_a_version_brings_the_rows_that_its_answers_are_explained_against(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register(1, constant(0.1))
    ledger, kept = Ledger(world.settings.storage()), tmp_path / "kept.parquet"
    pq.write_table(pa.table({"heat": [0.5, 1.5], "colour": ["red", "blue"], "size": [1.0, None]}), kept)
    evaluated(world, ledger, {"background.parquet": kept.read_bytes()})
    spec = world.spec()
    explains = spec.model_copy(update={"serving": spec.serving.model_copy(update={"explain": Explain()})})
    model = load_model(world.control, ledger, explains, 1, tmp_path)
    assert model.background is not None
    assert len(model.background) == 2
    assert load_model(world.control, ledger, spec, 1, tmp_path).background is None
    evaluated(world, ledger, {"report.html": b"x", "model.int8.onnx": constant(0.2).SerializeToString()})
    assert load_model(world.control, ledger, explains, 1, tmp_path).background is None
