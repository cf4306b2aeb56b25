"""`slipstream audit`: what a person sees of a chain that holds, and of one that does not."""

from __future__ import annotations

import json

import sqlalchemy as sa

from include.core.control import ControlStore, audit
from tests.unit.cli.conftest import Slipstream


def rows(control: ControlStore) -> int:
    with control.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one()


def test_a_chain_that_holds_is_reported_with_how_far_it_is_sealed_and_looking_writes_nothing(
    slipstream: Slipstream, control: ControlStore
) -> None:
    before = rows(control)
    status, out, _ = slipstream("audit", "verify")
    assert (status, out) == (0, f"{before} rows, none of them sealed yet.\n")
    assert rows(control) == before
    status, out, _ = slipstream("audit", "seal")
    assert (status, f"Seal 1 is of row {before}." in out) == (0, True)
    assert "Nothing was added since the newest seal." in slipstream("audit", "seal")[1]
    told = json.loads(slipstream("audit", "verify", "--json")[1])
    assert (told["intact"], told["sealed"], told["unsealed"], told["findings"]) == (True, before, 1, [])


def test_a_chain_that_does_not_hold_exits_with_3_names_the_row_and_says_what_is_safe(
    slipstream: Slipstream, control: ControlStore
) -> None:
    slipstream("audit", "seal")
    with control.transaction() as connection:
        connection.execute(audit.delete().where(audit.c.seq > 2))
    for verb in ("verify", "seal"):
        status, _, err = slipstream("audit", verb)
        assert status == 3
        for told in ("seal:1: the table ends at row 2", "\n  safe: ", "\n  next: ", "slipstream audit accept"):
            assert told in err
    status, out, _ = slipstream("audit", "verify", "--json")
    assert (status, [each["id"] for each in json.loads(out)["findings"]]) == (3, ["seal:1"])


def test_what_was_found_is_accepted_with_a_reason_only(slipstream: Slipstream, control: ControlStore) -> None:
    assert "There is nothing to accept" in slipstream("audit", "accept", "--reason", "none")[1]
    with control.transaction() as connection:
        connection.execute(audit.update().where(audit.c.seq == 1).values(actor="eve"))
    status, _, err = slipstream("audit", "accept")
    assert (status, "needs its reason" in err) == (1, True)
    assert slipstream("audit", "accept", "--reason", "a backup was restored")[0] == 0
    status, out, _ = slipstream("audit", "verify")
    assert (status, "(a backup was restored): row:1/" in out) == (0, True)
