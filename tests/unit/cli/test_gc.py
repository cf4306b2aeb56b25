"""`slipstream gc`: what a person reads and may ask for. What goes is tested in tests/unit/retention."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.cli.writers import Writer
from tests.support.aged import let_pass
from tests.support.toy_ledger import MODEL, Loop
from tests.unit.cli.conftest import Slipstream


@pytest.fixture
def old(slipstream: Slipstream, loop: Loop, tmp_path: Path) -> Slipstream:
    """A training set that nothing refers to, of two months ago."""
    loop.commit("training_set", {"as_of": "x"}, {}, {"rows": 1}, {"train.parquet": b"r" * 2_000_000})
    let_pass(tmp_path / "store", 60)
    assert slipstream("gc", "--yes")[0] == 4, "nothing says yet that the storage is this control store's"
    assert slipstream("audit", "seal")[0] == 0
    return slipstream


def test_it_shows_and_changes_nothing_without_yes(old: Slipstream, tmp_path: Path) -> None:
    before = sorted((tmp_path / "store").rglob("*"))
    status, said, _ = old("gc")
    assert status == 0
    assert "condemned" in said
    assert "Nothing was changed: --yes does it." in said
    assert sorted((tmp_path / "store").rglob("*")) == before
    status, said, _ = old("gc", "--stopped")
    assert (status, sorted((tmp_path / "store").rglob("*")) == before) == (0, True)


def test_where_nothing_runs_it_is_free_at_once(old: Slipstream) -> None:
    status, said, _ = old("gc", "--yes", "--stopped")
    assert (status, said.splitlines()[-1]) == (0, "2.0 MB are free.")
    assert old("gc")[1] == "Nothing is due.\n"
    assert old("audit", "verify")[0] == 0
    assert old("trace", MODEL)[0] == 0


def test_while_something_runs_there_is_a_grace(old: Slipstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.cli.gc.writers", lambda _: [Writer("the gateway", "make down")])
    status, _, err = old("gc", "--yes", "--stopped")
    assert (status, "make down" in err) == (5, True)
    assert old("gc", "--yes")[1].splitlines()[-1] == "0.0 MB are free."
    let_pass(tmp_path / "store", 8)
    assert "withdrawn" in old("gc", "--yes")[1]
    let_pass(tmp_path / "store", 2)
    assert old("gc", "--yes")[1].splitlines()[-1] == "2.0 MB are free."


@pytest.mark.parametrize("option", [("--older-than", "0"), ("--grace", "0.5")])
def test_less_than_a_day_is_refused(old: Slipstream, option: tuple[str, str]) -> None:
    status, _, err = old("gc", "--yes", *option)
    assert (status, "Less than a day" in err) == (1, True)


def test_a_retention_of_the_log_that_is_none_is_refused(old: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_KEEP_PREDICTIONS", "a year")
    status, _, err = old("gc")
    assert (status, "is no number of days" in err) == (1, True)
    monkeypatch.setenv("SLIPSTREAM_KEEP_PREDICTIONS", "100")
    status, _, err = old("gc")
    assert (status, "its steps read 393 days back" in err) == (1, True)
    monkeypatch.setenv("SLIPSTREAM_KEEP_PREDICTIONS", "400")
    assert old("gc")[0] == 0
