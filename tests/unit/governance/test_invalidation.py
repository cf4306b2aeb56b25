"""Invalidation: a new generation, an audit row, and what else it would touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import DataError
from include.governance.audit import history
from include.governance.invalidation import dependents, find, invalidate, named
from include.overview.standing import overview
from tests.support.toy_ledger import MODEL, Loop


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    made = Loop.under(tmp_path)
    made.package(days=3)
    return made


def test_one_day_of_a_step_is_found_and_computed_again(control: ControlStore, loop: Loop) -> None:
    (held,) = find(loop.ledger, MODEL, "features", "2013-01-02")
    assert held.committed_at
    assert held.generation == 0
    (opened,) = invalidate(loop.ledger, control, [held], actor="ana", reason="late rows")
    assert opened.generation == 1
    assert loop.ledger.result(held.key) is None
    assert loop.ledger.result(held.key, generation=0) is not None
    (row,) = history(control, MODEL)
    assert (row.actor, row.action, row.detail["key"], row.detail["reason"]) == ("ana", "invalidate", held.key, "late rows")


def test_what_depends_on_it_is_named(loop: Loop) -> None:
    (held,) = find(loop.ledger, MODEL, "features", "2013-01-02")
    assert [each.step for each in dependents(loop.ledger, [held.key])] == ["evaluate", "train", "training_set"]


def test_an_unknown_key_or_step_is_refused(loop: Loop) -> None:
    with pytest.raises(DataError, match="no 'train/nothing'"):
        named(loop.ledger, "train/nothing")
    with pytest.raises(DataError, match="Nothing was computed yet"):
        find(loop.ledger, MODEL, "score")


def test_history_keeps_to_its_subject(control: ControlStore) -> None:
    with control.transaction() as connection:
        for subject in (MODEL, f"{MODEL}/2013-01-01", f"{MODEL}_other"):
            control.append_audit(connection, "a", "b", subject, {})
    assert [row.subject for row in history(control, MODEL)] == [f"{MODEL}/2013-01-01", MODEL]
    assert len(history(control)) == 3


def test_an_overview_of_a_model_without_history_is_empty(control: ControlStore) -> None:
    seen = overview(control, MODEL)
    assert (seen.champion, seen.weights, seen.live, seen.partitions.newest) == (None, {}, False, "")
