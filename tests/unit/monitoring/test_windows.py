"""Monitored windows as the console asks for them: newest result of each, a model at a time, and the newest of all models."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.request import Json, Ref
from include.monitoring.windows import found, keep, newest_of_all, windows
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, SPEC, Loop

FIRST, SECOND = "2013-01-01/2013-01-08", "2013-01-08/2013-01-15"


def value(window: str, auc: float, **kinds: str) -> dict[str, Json]:
    told = {"quality": "none", "covariate": "none", **kinds}
    return {
        "window": window, "as_of": f"{window.partition('/')[2]}T00:00:00",
        "kinds": {name: {"verdict": verdict} for name, verdict in told.items()},
        "performance": {"metric": "auc", "metrics": {"auc": auc}, "errors": {"auc": 0.01}, "expected": 0.75,
                        "words": f"AUC {auc}", "drop": 0.75 - auc, "drop_error": 0.01},
        "drift": {"statistic": 2.0, "critical": 5.0, "verdict": told["covariate"], "words": "No drift."},
        "collected": {"rows": 9, "labelled": 8},
    }  # fmt: skip


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop.under(tmp_path)


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


def judge(loop: Loop, control: ControlStore | None, window: str, auc: float, **kinds: str) -> Ref:
    """Monitored, and kept where there is a store to keep it in: a release before kept none."""
    ref = loop.commit(
        "monitor", {"window": window, "auc": auc}, {}, value(window, auc, **kinds), {"report.html": b"<p>report</p>"}
    )
    if control is not None:
        keep(control, SPEC, loop.ledger.resolve(ref))
    return ref


def test_a_window_that_was_judged_again_is_as_it_was_found_last(loop: Loop, control: ControlStore) -> None:
    for window, auc in ((SECOND, 0.7), (FIRST, 0.6), (FIRST, 0.65)):
        keep(control, SPEC, loop.ledger.resolve(judge(loop, control, window, auc)))  # told twice, kept once
    shown = windows(control, loop.ledger, MODEL)
    assert [(each["window"], each["value"]) for each in shown] == [(FIRST, 0.65), (SECOND, 0.7)]
    assert shown[0]["report"].startswith("ledger/monitor/")
    assert newest_of_all(control)[MODEL]["window"] == SECOND


def test_the_newest_of_all_is_read_again_when_a_window_comes(loop: Loop, control: ControlStore) -> None:
    assert newest_of_all(control) == {}
    judge(loop, control, FIRST, 0.74)
    assert newest_of_all(control)[MODEL]["alarms"] == {"quality": False, "covariate": False, "performance": False}
    judge(loop, control, SECOND, 0.6, covariate="drift")
    newest = newest_of_all(control)[MODEL]
    assert (newest["window"], newest["alarms"]) == (SECOND, {"quality": False, "covariate": True, "performance": True})


def test_windows_of_an_earlier_release_come_from_the_ledger(loop: Loop, control: ControlStore) -> None:
    judge(loop, None, FIRST, 0.6)
    judge(loop, None, FIRST, 0.62)
    assert [each["value"] for each in windows(control, loop.ledger, MODEL)] == [0.62]
    judge(loop, control, SECOND, 0.7)
    assert [each["value"] for each in windows(control, loop.ledger, MODEL, [FIRST, SECOND])] == [0.62, 0.7]
    judge(loop, control, FIRST, 0.66)  # computed again since
    assert [each["value"] for each in windows(control, loop.ledger, MODEL, [FIRST, SECOND])] == [0.66, 0.7]


def test_what_was_found_of_a_window_without_a_report(loop: Loop) -> None:
    ref = loop.commit("monitor", {}, {}, value(FIRST, 0.7), {})
    told = found(loop.ledger.resolve(ref))
    assert (told["report"], told["metric"], told["rows"], told["labelled"]) == ("", "auc", 9, 8)
    assert "performance" not in told["alarms"]  # no drop is tolerated, or none is looked at: nobody said
