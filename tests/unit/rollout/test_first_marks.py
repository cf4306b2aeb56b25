"""The first event of each entity, as one source saw it."""

from __future__ import annotations

from include.rollout.alpha_spending import OCTAVE, SLICES
from include.rollout.evidence import AGAIN, CHALLENGER, CHAMPION, ENTITIES
from include.rollout.first_marks import FirstMarks, memory_of


def kept(marks: FirstMarks) -> list[tuple[int, int, int]]:
    """(slice, moment, tag)"""
    return [row[2:] for row in marks.journal.rows]


def test_an_entity_is_first_once_on_each_arm_and_in_each_stream() -> None:
    marks = FirstMarks(100)
    for stream, arm, slot in (
        (ENTITIES, CHAMPION, 1),
        (ENTITIES, CHAMPION, 2),
        (ENTITIES, CHALLENGER, 2),
        ("errors", CHAMPION, 3),
    ):
        marks.add(stream, 77, arm, slot, 10 * slot)
    assert kept(marks) == [(1, 10, 0), (2, 20, 1), (3, 30, 0)]


def test_within_the_running_slice_the_earlier_record_is_first_though_it_is_read_later() -> None:
    marks = FirstMarks(100)
    for slot, at, flags in ((4, 50, 0), (4, 40, 1), (4, 60, 0), (5, 10, 0)):
        marks.add(ENTITIES, 77, CHAMPION, slot, at, flags)
    assert kept(marks) == [(4, 50, 0), (4, 40, 2)]  # merged by the minimum; what comes in a later slice is no first


def test_after_the_plan_entities_are_observed_anew_in_each_period() -> None:
    marks = FirstMarks(100)
    for slot in (SLICES, SLICES + 1, SLICES + OCTAVE, SLICES + OCTAVE + 1):
        marks.add(AGAIN, 77, CHAMPION, slot, slot)
    assert [slot for slot, _, _ in kept(marks)] == [SLICES, SLICES + OCTAVE]
    assert (memory_of(AGAIN, SLICES), memory_of(AGAIN, SLICES + OCTAVE), memory_of(ENTITIES, SLICES)) == (
        f"{AGAIN}:1", f"{AGAIN}:2", ENTITIES,
    )  # fmt: skip


def test_a_source_that_was_started_again_knows_what_it_has_published() -> None:
    marks, again = FirstMarks(100), FirstMarks(100)
    for unit, slot, at in ((1, 1, 10), (2, 2, 20), (3, 2, 25)):
        marks.add(ENTITIES, unit, CHAMPION, slot, at)
    table = marks.journal.table
    again.journal.go_on(1, table)
    again.know(list(table.names), table.rows)
    for unit, slot, at in ((1, 2, 5), (2, 2, 15), (3, 2, 30), (4, 3, 40)):
        again.add(ENTITIES, unit, CHAMPION, slot, at)
    assert kept(again)[3:] == [(2, 15, 0), (3, 40, 0)]
