"""`slipstream policy replay`, over stored decisions and over a CSV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from include.core.control import ControlStore
from include.core.spec import Retraining
from include.monitoring.retraining.decision import history, record_decision, resource
from include.monitoring.retraining.policy import decide
from tests.support.toy_ledger import MODEL
from tests.support.weekly_facts import DRIFT, facts
from tests.unit.cli.conftest import Slipstream


def test_policy_replays_another_policy_on_the_stored_decisions(slipstream: Slipstream, control: ControlStore) -> None:
    status, _, error = slipstream("policy", "replay", MODEL)
    assert status == 1
    assert "No window of toy has been decided yet" in error
    epoch = control.take(resource(MODEL), "t")
    for week in ("2013-04-29", "2013-05-06", "2013-05-13"):
        seen = replace(facts(week, drift=DRIFT), model=MODEL)
        record_decision(control, decide(history(control, MODEL), seen, Retraining(consecutive=3)), epoch)
    status, out, _ = slipstream(
        "policy", "replay", MODEL, "--set", "consecutive=1", "--set", "on_new_labels=none", "--price", "0.1"
    )
    assert status == 0
    assert "3 windows: 1 retrains recorded, 2 by this policy" in out
    assert "Retraining would have cost 0.2 errors of a window, recorded 0.1." in out
    assert "No staleness probe ran" in out


def test_policy_replays_a_csv_beside_the_best_there_was(slipstream: Slipstream, tmp_path: Path) -> None:
    rows = [f"{(n * 37 % 101) / 101:.3f},{int((n * 37 % 101 > 50) ^ (n >= 600))}" for n in range(1000)]
    path = tmp_path / "stream.csv"
    path.write_text("\n".join(["x,y", *rows]))
    status, out, _ = slipstream(
        "policy", "replay", MODEL, "--csv", str(path), "--label", "y", "--window", "50", "--price", "0.02"
    )
    assert status == 0
    assert "stream: 14 windows of 50 rows served" in out
    regrets = {
        line.split("  ")[0]: float(line.split()[-1]) for line in out.splitlines() if line[:5] in ("the p", "never", "the b")
    }
    assert 0 <= regrets["the price's"] < regrets["never"]
    assert regrets["the best there was"] == 0
    status, _, error = slipstream("policy", "replay", MODEL, "--csv", str(path), "--price", "0.02")
    assert (status, "needs --label" in error) == (1, True)


def test_policy_refuses_what_is_no_field_of_a_policy(slipstream: Slipstream) -> None:
    status, _, error = slipstream("policy", "replay", MODEL, "--set", "cooldwon=P3D")
    assert status == 1
    assert "cooldwon: is not a field here" in error
    assert "cooldown" in error
