"""`slipstream hold`: what a person reads, and may ask for. What it keeps is tested in tests/unit/retention."""

from __future__ import annotations

import getpass

from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream


def test_a_version_is_held_listed_and_let_go(slipstream: Slipstream) -> None:
    assert slipstream("hold", MODEL)[1] == f"No version of {MODEL} is held.\n"
    status, _, err = slipstream("hold", MODEL, "1")
    assert (status, "needs a reason" in err) == (1, True)
    status, said, _ = slipstream("hold", MODEL, "1", "--reason", "case 2026-114")
    assert (status, f"{MODEL}: version 1 is held by {getpass.getuser()} (slipstream command)" in said) == (0, True)
    assert "case 2026-114" in slipstream("hold", MODEL)[1]
    assert ", held" in slipstream("versions", MODEL, "--wide")[1]
    status, said, _ = slipstream("hold", MODEL, "1", "--release", "--reason", "it is closed")
    assert (status, f"{MODEL}: version 1 is let go; it was held by" in said) == (0, True)
    status, _, err = slipstream("hold", MODEL, "1", "--release", "--reason", "it is closed")
    assert (status, "Nobody holds version 1" in err) == (5, True)
    assert "unknown" not in slipstream("hold", MODEL, "77", "--reason", "it is not there")[1]
