"""Rows that are published in parts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from include.core.errors import PermanentError
from include.rollout.journal import DTYPES, FORMAT, FULL, LABELS, MARKS, Journal, Table, joined, pack_table, unpack_table


def test_a_full_part_is_written_once_and_the_last_one_again() -> None:
    journal, written = Journal(MARKS), dict[int, Table]()
    name = journal.place("errors")
    for number in range(FULL + 10):
        journal.add((name, number, 3, number, 1))
    for expected in ([1, 2], []):
        parts = dict(journal.unpublished())
        assert sorted(parts) == expected
        written |= parts
        journal.published()
    journal.add((journal.place("latency_p50"), 7, 4, 9, 0))
    assert [number for number, _ in journal.unpublished()] == [2]
    written |= dict(journal.unpublished())
    again = Journal(MARKS)
    again.go_on(2, written[2])
    again.add((again.place("errors"), 8, 4, 10, 0))
    assert [number for number, _ in again.unpublished()] == [2]
    written |= dict(again.unpublished())
    whole = joined(MARKS, written.values())
    assert whole.names == ("errors", "latency_p50")
    assert whole.rows["place"].tolist() == [*range(FULL + 10), 7, 8]
    assert whole.rows["name"].tolist()[-2:] == [1, 0]


def test_a_source_goes_on_after_a_last_part_that_is_full() -> None:
    journal = Journal(MARKS)
    full = Table(("errors",), np.zeros(FULL, DTYPES[MARKS]))
    journal.go_on(4, full)
    assert (journal.number, journal.rows, journal.names) == (5, [], ["errors"])


def test_a_part_comes_back_as_it_was_stored_and_is_small() -> None:
    rng = np.random.default_rng(1)
    rows = np.zeros(FULL, DTYPES[MARKS])
    rows["place"], rows["at"] = rng.integers(0, 1 << 21, FULL), 1_800_000_000_000_000 + np.cumsum(rng.integers(0, 2000, FULL))
    stored = json.dumps(pack_table(Table(("entities",), rows)))
    back = unpack_table(MARKS, json.loads(stored))
    assert back.names == ("entities",)
    assert (back.rows == rows).all()
    assert len(stored) < 8 * FULL


def test_names_of_several_tables_are_one_list_and_no_rows_are_none() -> None:
    one = Table(("label", "sale"), np.array([(1, 1, 0.5, 0, 0)], DTYPES[LABELS]))
    two = Table(("label", "call"), np.array([(2, 1, 0.5, 0, 0), (3, 0, 0.5, 0, 0)], DTYPES[LABELS]))
    found = joined(LABELS, [one, two])
    assert [found.names[name] for name in found.rows["name"]] == ["sale", "call", "label"]
    assert len(joined(LABELS, []).rows) == 0
    assert len(unpack_table(LABELS, pack_table(Table.empty(LABELS))).rows) == 0


def test_a_part_of_a_later_release_is_refused() -> None:
    with pytest.raises(PermanentError, match="part of a rollout's evidence at r has version 2"):
        unpack_table(MARKS, {**pack_table(Table.empty(MARKS)), "v": FORMAT.version + 1}, "r")
