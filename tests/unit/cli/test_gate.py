"""`slipstream gate` and what is shown of a gate that a person has opened, with everything else down."""

from __future__ import annotations

import getpass
import json
from typing import Any

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.governance.audit import history
from include.governance.registry import register, resource
from include.overview.standing import overview
from include.versions.lifecycle import set_production
from tests.support.toy_ledger import MODEL, Loop
from tests.unit.cli.conftest import Slipstream

WHY = "the holdout was a strike week"


@pytest.fixture
def third(control: ControlStore, loop: Loop) -> int:
    """Version 3, whose gate is closed."""
    epoch = control.take(resource(MODEL), "t")
    package = loop.package(days=4, passed=False)
    return register(control, FolderRegistry(loop.ledger.storage), package, epoch).version


def test_a_closed_gate_is_explained_with_what_to_do(slipstream: Slipstream, third: int) -> None:
    status, out, _ = slipstream("gate", "explain", MODEL)
    assert status == 0
    for told in (f"toy version {third} (Staging): the gate is closed", "below the champion's", "slipstream gate plan toy",
                 f"slipstream gate open toy {third} --reason"):  # fmt: skip
        assert told in out
    told = json.loads(slipstream("gate", "explain", MODEL, "2", "--json")[1])
    assert (told["version"], told["gate"]["passed"], told["override"]) == (2, True, None)


def test_a_gate_opened_by_hand_is_audited_and_shown_wherever_the_version_is(
    slipstream: Slipstream, control: ControlStore, third: int
) -> None:
    status, out, _ = slipstream("gate", "open", MODEL, str(third), "--reason", WHY)
    assert status == 0
    assert f"the gate of version {third} is open now, opened by hand by" in out
    assert "holds for one rollout. No traffic has moved." in out
    row = history(control, MODEL, limit=1)[0]
    detail: Any = row.detail
    assert (row.action, detail["version"], detail["reason"]) == ("rollout.restore", third, WHY)
    assert row.actor.endswith("(slipstream command)")
    assert "was opened before" in slipstream("gate", "open", MODEL, str(third), "--reason", "again")[1]
    assert len(history(control, MODEL)) == len(history(control, MODEL, limit=1000))
    for command in (("versions", MODEL, "--wide"), ("trace", MODEL, "--version", str(third)), ("gate", "explain", MODEL)):
        assert f": {WHY}" in slipstream(*command)[1], command
    (shown, *_) = json.loads(slipstream("versions", MODEL, "--json")[1])
    assert (shown["version"], shown["override"]["reason"]) == (third, WHY)


def test_status_and_the_console_say_of_a_champion_that_its_gate_was_opened_by_hand(
    slipstream: Slipstream, control: ControlStore, third: int
) -> None:
    slipstream("gate", "open", MODEL, str(third), "--reason", WHY)
    with control.transaction() as connection:
        set_production(connection, MODEL, third)
    assert f"gate       opened by hand by {getpass.getuser()} (slipstream command)" in slipstream("status", MODEL)[1]
    (newest, *_) = overview(control, MODEL).to_json()["versions"]  # what the Models page is made from
    assert (newest["override"]["reason"], newest["gate"]["passed"]) == (WHY, False)


def test_the_registry_shows_who_opened_it(slipstream: Slipstream, control: ControlStore, loop: Loop, third: int) -> None:
    from include.governance.mirror import mirror

    slipstream("gate", "open", MODEL, str(third), "--reason", WHY)
    registry = FolderRegistry(loop.ledger.storage)
    mirror(control, registry, MODEL)
    assert WHY in registry.labels(MODEL)["tags"][str(third)]["gate"]


@pytest.mark.parametrize(
    "argv",
    [("gate", "open", MODEL, "3"), ("gate", "open", MODEL, "3", "--reason", "  "), ("restore", MODEL, "3", "--despite-gate")],
)
def test_without_a_reason_no_gate_is_opened(
    slipstream: Slipstream, control: ControlStore, third: int, argv: tuple[str, ...]
) -> None:
    before = len(history(control, MODEL))
    status, _, err = slipstream(*argv)
    assert status == 1
    assert "needs a reason" in err
    assert len(history(control, MODEL)) == before


def test_a_plan_before_anything_is_trained_is_of_what_is_stated(slipstream: Slipstream) -> None:
    status, out, err = slipstream("gate", "plan", MODEL)
    assert (status, out) == (1, "")
    assert "--rows-per-day" in err
    _, out, _ = slipstream("gate", "plan", MODEL, "--rows-per-day", "100", "--auc", "0.7", "--rate", "0.2")
    for told in (
        "simulated, both models with an AUC of 0.7",
        "as good as the champion",
        "rows for 80%",
        "needs training.holdout",
    ):
        assert told in out
    planned = json.loads(slipstream("gate", "plan", MODEL, "--rows-per-day", "100", "--json")[1])
    as_good = planned["lines"][1]
    assert (planned["metric"], as_good["worse"]) == ("auc", 0.0)
    assert as_good["days"] == -(-as_good["rows"] // 100)


@pytest.mark.parametrize("wrong", [("--rate", "1.5"), ("--auc", "0.5"), ("--alike", "1"), ("--rows-per-day", "-3")])
def test_assumptions_that_are_none_are_refused(slipstream: Slipstream, wrong: tuple[str, str]) -> None:
    status, _, err = slipstream("gate", "plan", MODEL, "--rows-per-day", "100", *wrong)
    assert status == 1
    assert "Traceback" not in err
