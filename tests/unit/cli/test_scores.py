from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.core.control import ControlStore
from tests.support.scores_table import DAY, one_partition
from tests.support.toy_ledger import MODEL, Loop
from tests.unit.cli.conftest import Slipstream


@pytest.fixture
def published(slipstream: Slipstream, control: ControlStore, loop: Loop, tmp_path: Path) -> str:
    """The path of the file of one partition."""
    return one_partition(control, loop.ledger, MODEL, tmp_path)


def test_each_partition_is_shown_with_its_version(slipstream: Slipstream, published: str) -> None:
    status, out, _ = slipstream("scores", MODEL)
    assert status == 0
    assert published in out
    assert DAY in out


def test_a_file_of_another_result_is_found_and_put_back(slipstream: Slipstream, published: str, loop: Loop) -> None:
    assert slipstream("scores", MODEL, "--check")[0] == 0
    loop.ledger.storage.write(published, b"another")
    status, out, _ = slipstream("scores", MODEL, "--check", "--json")
    assert status == 3
    assert [row["wrong"] for row in json.loads(out)] == ["its file is of another result"]
    assert slipstream("scores", MODEL, "--repair")[0] == 0
    assert slipstream("scores", MODEL, "--check")[0] == 0


def test_before_the_first_it_says_so(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("scores", MODEL)
    assert status == 0
    assert "No scores are published yet" in out
