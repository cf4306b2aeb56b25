from __future__ import annotations

from include.core.control import ControlStore, versions
from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream


def test_the_command_shows_every_version_with_the_kind_of_run(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("backtest", MODEL)
    assert status == 0
    assert out.splitlines()[0].split()[-1] == "by"
    assert len(out.splitlines()) == 3


def test_the_command_says_what_to_do_where_nothing_was_trained(slipstream: Slipstream, control: ControlStore) -> None:
    with control.transaction() as connection:
        connection.execute(versions.delete())
    status, _, err = slipstream("backtest", MODEL)
    assert status != 0
    assert f"airflow backfill create --dag-id {MODEL}_training" in err
