"""Two versions side by side: every difference by name, and what is gone said of its part alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.errors import DataError
from include.governance.comparison import compare
from include.governance.registry import register, resource
from include.versions.shown import shown_version
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, Loop


@pytest.fixture
def two(tmp_path: Path) -> tuple[Loop, ControlStore]:
    loop, control = Loop.under(tmp_path), empty_control(tmp_path)
    epoch = control.take(resource(MODEL), "t")
    for days, hidden, inputs, auc in ((2, 8, ("wind", "rain"), 0.71), (3, 16, ("wind", "hour"), 0.74)):
        register(
            control, FolderRegistry(loop.ledger.storage), loop.package(days=days, hidden=hidden, inputs=inputs, auc=auc), epoch
        )
    return loop, control


def test_data_parameters_features_and_metrics_that_differ_are_named(two: tuple[Loop, ControlStore]) -> None:
    loop, control = two
    found = compare(loop.ledger, control, MODEL, 1, 2)
    assert (found["before"]["version"], found["after"]["version"]) == (1, 2)
    data = found["data"]
    assert [(row["name"], bool(row["before"]), bool(row["after"])) for row in data["partitions"]] == [("2013-01-03", False, True)]
    assert (data["unchanged"], data["same"]) == (2, False)
    assert {"name": "rows", "before": 20, "after": 30} in data["facts"]
    assert found["parameters"] == {"changed": [{"name": "params.hidden", "before": "8", "after": "16"}], "unchanged": 2}
    assert [row["name"] for row in found["features"]["inputs"]] == ["hour", "rain"]
    assert {"name": "auc", "before": 0.71, "after": 0.74} in found["metrics"]["rows"]
    assert found["metrics"]["same_holdout"] is False
    assert found["code"]["commit"] == {"before": "abc123", "after": "abc123"}
    assert found["code"]["known"] is False  # these requests keep no modules


def test_a_part_whose_results_are_gone_says_so_and_the_others_are_told(two: tuple[Loop, ControlStore]) -> None:
    loop, control = two
    loop.ledger.storage.delete(shown_version(control, MODEL, 1).entry.lineage.train.uri)
    found = compare(loop.ledger, control, MODEL, 1, 2)
    assert "is gone" in found["parameters"]["problem"]
    assert found["data"]["unchanged"] == 2
    assert found["metrics"]["rows"]


def test_versions_that_are_not_there_and_one_with_itself_are_refused(two: tuple[Loop, ControlStore]) -> None:
    loop, control = two
    for before, after in ((1, 9), (9, 1), (2, 2)):
        with pytest.raises(DataError):
            compare(loop.ledger, control, MODEL, before, after)
