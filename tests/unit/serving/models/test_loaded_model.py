"""Which file of a version is served: what was trained, or the INT8 variant that its evaluation let through."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import versions
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.serving.models.loaded_model import load_model
from tests.support.gateway_world import MODEL, World, constant

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
