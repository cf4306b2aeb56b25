"""Searching the audit a page at a time: everybody sees the rows about what they may read, and no other."""

from __future__ import annotations

import pytest

from include.core.control import ControlStore
from include.governance.audit import Search, Seen, search_page

EVERYTHING = Seen(frozenset())


@pytest.fixture
def filled(control: ControlStore) -> ControlStore:
    subjects = ["toy", "toy/2013-01-01", "toys", "secret", "secret/2013-01-01", "token/web", "audit"]
    with control.transaction() as connection:
        for number, subject in enumerate(subjects * 3):
            control.append_audit(connection, f"ann {number}", "do", subject, {"words": f"100 % of {subject}"})
    return control


def subjects_of(control: ControlStore, seen: Seen, wanted: Search | None = None) -> set[str]:
    return {row.subject for row in search_page(control, wanted or Search(), seen, limit=99)}


def test_pages_hold_every_row_once_the_newest_first(filled: ControlStore) -> None:
    found, before = list[int](), None
    while page := search_page(filled, Search(), EVERYTHING, before, 4):
        found += [row.seq for row in page]
        before = page[-1].seq
    assert found == list(range(21, 0, -1))


def test_rows_of_what_one_may_not_read_are_not_found(filled: ControlStore) -> None:
    hidden = Seen(frozenset({"toy", "toys"}), frozenset({"secret"}))
    assert subjects_of(filled, hidden) == {"toy", "toy/2013-01-01", "toys", "token/web", "audit"}
    assert subjects_of(filled, hidden, Search(subject="secret")) == set()
    assert subjects_of(filled, hidden, Search(text="secret")) == set()


def test_without_the_right_to_the_rest_only_named_owners_are_found(filled: ControlStore) -> None:
    assert subjects_of(filled, Seen(frozenset({"toy"}), frozenset({"secret"}), rest=False)) == {"toy", "toy/2013-01-01"}
    assert subjects_of(filled, Seen(frozenset(), rest=False)) == set()
    assert subjects_of(filled, Seen(frozenset({"to%", "t_y"}), rest=False)) == set()


def test_what_is_looked_for_holds_beside_what_may_be_seen(filled: ControlStore) -> None:
    found = search_page(filled, Search(subject="toy", actor="ANN 1", text="100 %"), EVERYTHING)
    assert {row.subject for row in found} <= {"toy", "toy/2013-01-01"}
    assert all("ann 1" in row.actor for row in found)
    assert found
