from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Slipstream


def test_what_repositories_ask_for_is_listed_and_decides_the_exit_status(slipstream: Slipstream, tmp_path: Path) -> None:
    status, out, _ = slipstream("requirements")
    assert (status, out.split()) == (0, ["model", "requirements", "state", "toy", "none", "met"])
    own = tmp_path / "toy_models" / "toy" / "requirements.txt"
    own.write_text("numpy\nno-such-library>=2\n")
    status, out, _ = slipstream("requirements")
    assert (status, str(own) in out, "lacks no-such-library>=2 (not installed)" in out) == (3, True, True)
    own.write_text("numpy >= >= 2\n")
    status, out, _ = slipstream("requirements", "--json")
    (told,) = json.loads(out)["models"].values()
    assert (status, told["unmet"], "cannot be read" in told["problem"]) == (3, [], True)


def test_a_place_that_cannot_be_listed_is_told(slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_MODELS", "toy_models:/no/such/place")
    status, out, _ = slipstream("requirements", "--json")
    told = json.loads(out)
    assert (status, list(told["models"]), list(told["broken_places"])) == (3, ["toy"], ["/no/such/place"])
    assert "/no/such/place: SLIPSTREAM_MODELS names a folder that cannot be read" in slipstream("requirements")[1]


def test_the_platforms_versions_are_printed_for_pip(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("requirements", "--constraints")
    assert (status, "numpy==2.4.6" in out.splitlines()) == (0, True)
