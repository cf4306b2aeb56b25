"""Documents: the first under a key stays, whoever comes second; they are found by key, subject and time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.errors import PermanentError
from include.core.time import timestamp
from include.core.versioned import Format

NOTES, OTHERS = DocumentKind("note", Format("a note")), DocumentKind("other", Format("another thing"))


def test_the_first_under_a_key_stays(control: ControlStore) -> None:
    with ThreadPoolExecutor(6) as pool:
        new = list(pool.map(lambda number: NOTES.save(control, "k", "m", {"number": number}), range(6)))
    assert sum(new) == 1
    kept = NOTES.load(control, "k")
    assert kept is not None
    assert (kept.key, kept.subject, kept.body) == ("k", "m", {"number": new.index(True)})
    assert NOTES.load(control, "unknown") is None


def test_they_are_found_by_kind_subject_and_time(control: ControlStore) -> None:
    begun = timestamp()
    for number in range(3):
        NOTES.save(control, f"k{number}", "m", {"number": number})
        control_gap(control)
    NOTES.save(control, "elsewhere", "n", {"number": 9})
    OTHERS.save(control, "o", "m", {})
    assert [each.body["number"] for each in NOTES.about(control, "m")] == [0, 1, 2]
    assert [each.body["number"] for each in NOTES.newest(control, "m", 2)] == [2, 1]
    with control.transaction() as connection:
        assert {each.key for each in NOTES.load_in(connection, ["k0", "o", "k2"])} == {"k0", "k2"}
        assert NOTES.load_in(connection, []) == []
        assert {each.key for each in NOTES.since_in(connection, begun)} == {"k0", "k1", "k2", "elsewhere"}
        assert NOTES.since_in(connection, "9") == []


def control_gap(control: ControlStore) -> None:
    """Until the clock has moved on: times have milliseconds."""
    at = timestamp()
    while timestamp() == at:
        control.effect("nothing")


def test_a_document_of_a_later_release_is_refused(control: ControlStore) -> None:
    DocumentKind("note", Format("a note", version=2)).save(control, "k", "m", {})
    with pytest.raises(PermanentError, match="A note at k has version 2 of its format; this release reads versions 1 to 1"):
        NOTES.load(control, "k")
