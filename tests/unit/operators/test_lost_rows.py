"""The online store loses its rows: said by status, filled again by catch-up, which asks the store what it holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from include.cli.main import main
from tests.support.operator_runs import MODEL, Life, Run, day

pytestmark = pytest.mark.thorough  # whole days through every step

DAYS = ["2013-01-01", "2013-01-02", "2013-01-03", "2013-01-04"]


@pytest.fixture
def online(published: Life) -> Life:
    """Days 1 to 4 are published and online."""
    for number in (1, 2, 3, 4):
        published.materialize(published.publish(day(number), Run({"day": day(number).isoformat()}, run_id=f"m{number}")))
    return published


@pytest.fixture
def says(online: Life, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*argv: str) -> str:
        capsys.readouterr()
        assert main(list(argv)) == 0
        return capsys.readouterr().out

    return call


def store_of(life: Life) -> Path:
    return Path(life.services.settings.online_url.removeprefix("sqlite:///"))


def forget(life: Life, where: str = "1") -> int:
    with sqlite3.connect(store_of(life)) as connection:
        return connection.execute(f"DELETE FROM feature_rows WHERE {where}").rowcount


def remove(life: Life) -> None:
    for path in store_of(life).parent.glob(f"{store_of(life).name}*"):
        path.unlink()


def test_all_is_well_before(says: Callable[..., str]) -> None:
    assert "All 4 published days" in says("features", "catch-up", MODEL, "--all")
    assert "online     1 of 1 views hold rows" in says("status", MODEL)


@pytest.mark.parametrize("lose", [remove, forget], ids=["the file is removed", "the rows are deleted"])
def test_a_store_that_lost_all_is_said_and_filled_again(
    online: Life, says: Callable[..., str], lose: Callable[[Life], object]
) -> None:
    lose(online)
    assert "customer is lost: it is published, and none of its rows are online: slipstream features catch-up" in says("status")
    (model,) = json.loads(says("status", MODEL, "--json"))["models"]
    assert [view["empty"] for view in model["online"]["views"].values()] == [True]
    assert f"To be materialized (4 of 4): {', '.join(DAYS)}" in says("features", "catch-up", MODEL, "--all", "--dry-run")
    assert says("features", "catch-up", MODEL, "--all").count("customer") == 4
    assert "1 of 1 views hold rows" in says("status", MODEL)
    assert "All 4 published days" in says("features", "catch-up", MODEL, "--all")


def test_a_store_that_was_partly_filled_since_is_said_and_filled_again(online: Life, says: Callable[..., str]) -> None:
    forget(online)
    online.materialize(online.publish(day(4)))
    assert "customer lacks rows: the store has lost those of 3 of 4 days" in says("status", MODEL)
    said = says("features", "catch-up", MODEL, "--all", "--dry-run")
    assert "To be materialized (3 of 4): 2013-01-01, 2013-01-02, 2013-01-03" in said
    says("features", "catch-up", MODEL, "--all")
    assert "1 of 1 views hold rows" in says("status", MODEL)


def test_rows_that_a_store_evicted_are_found_by_asking_for_them(online: Life, says: Callable[..., str]) -> None:
    held = forget(online, "key LIKE '%[\"c0\"]' OR key LIKE '%[\"c7\"]'") or forget(online, "key LIKE '%1\"]'")
    assert held, "no row of these customers"
    assert "1 of 1 views hold rows" in says("status", MODEL)
    said = says("features", "catch-up", MODEL, "--all", "--dry-run")
    assert "The online store has lost rows of" in said
    says("features", "catch-up", MODEL, "--all")
    assert "All 4 published days" in says("features", "catch-up", MODEL, "--all")


def test_another_store_at_the_address_is_filled(
    online: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLIPSTREAM_ONLINE_URL", f"sqlite:///{tmp_path}/new.db")
    assert "customer is lost" in says("status", MODEL)
    assert "To be materialized (4 of 4)" in says("features", "catch-up", MODEL, "--all", "--dry-run")
