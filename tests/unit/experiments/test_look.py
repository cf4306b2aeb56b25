"""A look from the log to its decision, and the same made again by anyone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from include.core.control import ControlStore
from include.experiments.look import due_looks, look_at, recompute
from include.experiments.record import ExperimentRecord, StoredLook
from tests.support.experiment_log import START, TRIAL, Behaviour, changed, lived, outcome, prediction, write


def stored(home: Path, record: ExperimentRecord, day: int) -> StoredLook:
    seen = look_at(home, record, record.plan.look(day))
    return StoredLook(seen.evidence["cutoff"], seen.evidence, seen.decision.to_json(), "")


def test_what_the_log_says_is_decided_on(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, Behaviour(sale=(0.1, 0.5)))
    seen = look_at(tmp_path, record, record.plan.look(7))
    assert seen.decision.answer == "better"
    arms = seen.evidence["entities"]
    assert arms["control"] + arms["treatment"] == 700
    told = seen.decision.effects["sale"]
    assert told["low"] < 0.4 < told["high"]
    assert abs(told["control"] - 0.1) < 0.05


def test_with_the_time_before_the_interval_is_narrower(control: ControlStore, tmp_path: Path) -> None:
    spec = changed(before_weeks=1, primary=TRIAL.secondaries[0], secondaries=(), guardrails=(), minimum_effect=1.0)
    record = lived(control, tmp_path, Behaviour(sale=(0.0, 0.0)), spec)
    records = []
    for number in range(700):  # who spent much before spends much again
        who, spent = f"e0-{number}", float(number % 10)
        early, later = START - timedelta(days=2), START + timedelta(days=number / 100, hours=2)
        records += [prediction(f"b-{who}", who, early), outcome(f"b-{who}", "revenue", spent, early)]
        records += [outcome(f"{who}-0", "revenue", spent, later)]
    write(tmp_path, records)
    seen = look_at(tmp_path, record, record.plan.look(7))
    assert seen.decision.effects["revenue"]["reduction"] > 0.9


def test_anyone_makes_it_again(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, Behaviour(sale=(0.1, 0.5)))
    look = stored(tmp_path, record, 7)
    again = recompute(record, look, tmp_path)
    assert (again.answer, again.decided, again.counted) == ("better", True, True)
    assert recompute(record, look).counted is None
    forged = replace(look, decision={**look.decision, "answer": "worse"})
    assert not recompute(record, forged).decided
    write(tmp_path, [prediction("late", "new", START + timedelta(days=1), "champion", record.id)])  # shipped too late
    assert recompute(record, look, tmp_path).counted is False


def test_a_later_look_counts_nothing_after_its_cutoff(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, Behaviour())
    early = stored(tmp_path, record, 2)
    write(tmp_path, [prediction("x", "new", START + timedelta(days=6), "champion", record.id)])
    assert recompute(record, early, tmp_path).counted is True


def test_each_look_is_taken_once_and_the_newest_goes_first(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, Behaviour(), days=1)

    def days(taken: list[StoredLook], **since: float) -> list[int]:
        return [look.day for look in due_looks(record, taken, START + timedelta(**since))]

    assert days([], days=3, hours=13) == [3, 2, 1]
    taken = [stored(tmp_path, record, 3)]
    assert days(taken, days=3, hours=13) == []
    assert days(taken, days=5, hours=12) == [5, 4]
    assert days(taken, days=100) == [7, 6, 5, 4]  # the last look is the one at the planned end, however late it is taken
    assert days([], hours=1) == []
