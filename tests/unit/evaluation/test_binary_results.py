"""A plain binary model comes to what it came to before there were other kinds of problems: figures, verdicts and words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.binary_results import STORED, found


def leaves(body: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a JSON body by where it stands, the lengths of lists among them."""
    if isinstance(body, dict):
        for name, each in body.items():
            yield from leaves(each, f"{place}/{name}")
        return
    if isinstance(body, list):
        yield f"{place}/length", len(body)
        for number, each in enumerate(body):
            yield from leaves(each, f"{place}/{number}")
        return
    yield place, body


def test_a_binary_model_gives_the_stored_results(tmp_path: Path) -> None:
    """What is stored must be there, and equal; the value may hold more."""
    now = dict(leaves(json.loads(json.dumps(found(tmp_path)))))
    stored = dict(leaves(json.loads(STORED.read_text())))
    assert len(stored) > 600
    assert not set(stored) - set(now)
    for place, value in stored.items():
        wanted = pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
        assert now[place] == wanted, place
