"""A plain binary model answers, logs and describes itself byte for byte as it did before there were kinds of problems.

What is stored was made by the code before them (tests/support/binary_serving.py: `all_said`). It changes with a release that
changes what callers of binary models get, and with none else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.core.spec import ModelSpec
from tests.support.binary_serving import all_said

STORED = Path(__file__).parent / "golden" / "binary.json"


def test_everything_is_said_as_it_was(spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.loads(STORED.read_text())
    said = json.loads(json.dumps(all_said(spec, tmp_path, monkeypatch)))
    assert said.keys() == stored.keys()
    said["openapi"] = _without(json.loads(said["openapi"]), ("/recommend/{model}", "/predictions/{model}/{id}"), "Recommend")
    stored["openapi"] = json.loads(stored["openapi"])
    for name in stored:
        assert said[name] == stored[name], name


def _without(document: Any, paths: tuple[str, ...], schema: str) -> Any:
    """The gateway's description, less the routes that came later and what one of them is asked with."""
    for path in paths:
        del document["paths"][path]
    del document["components"]["schemas"][schema]
    return document
