"""What the Models page is told of the monitored windows."""

from __future__ import annotations

from pathlib import Path

from include.core.control import ControlStore
from include.core.request import Json
from plugins.slipstream_view import windows
from tests.support.toy_ledger import SPEC, Loop


def monitored(window: str, statistic: float, auc: float) -> dict[str, Json]:
    performance = {"metric": "auc", "metrics": {"auc": auc}, "errors": {"auc": 0.01}, "expected": 0.75, "words": f"AUC {auc}"}
    drift = {"statistic": statistic, "critical": 5.0, "verdict": "none", "words": "No drift."}
    return {"window": window, "performance": performance, "drift": drift, "collected": {"rows": 9, "labelled": 8}}


def test_a_window_computed_again_is_shown_once_as_it_is_now(tmp_path: Path) -> None:
    loop, control = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    assert windows(loop.ledger, control, SPEC) == []
    second, first = "2013-01-08/2013-01-15", "2013-01-01/2013-01-08"
    for n, (window, auc) in enumerate([(second, 0.7), (first, 0.6), (first, 0.65)]):
        loop.commit("monitor", {"n": n}, {}, monitored(window, 2.0, auc), {"report.html": b"<p>report</p>"})
    shown = windows(loop.ledger, control, SPEC)
    assert [(each["window"], each["value"]) for each in shown] == [(first, 0.65), (second, 0.7)]
    assert shown[0]["report"].startswith("files/ledger/monitor/")
    assert shown[0]["action"] == ""
