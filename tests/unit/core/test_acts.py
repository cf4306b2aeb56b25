from __future__ import annotations

from pathlib import Path

from include.core.acts import acts_in
from tests.support.stores import empty_control


def test_the_acts_of_some_names_on_a_subject_oldest_first(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    with control.transaction() as connection:
        for number, (action, subject) in enumerate([("a", "toy"), ("b", "toy"), ("a", "other"), ("c", "toy"), ("a", "toy")]):
            control.append_audit(connection, "t", action, subject, {"n": number})
        found = acts_in(connection, "toy", ("a", "c"))
    assert {act.actor for act in found} == {"t"}
    assert [(act.action, act.detail["n"]) for act in found] == [("a", 0), ("c", 3), ("a", 4)]
