"""What a subject's rows tell of it, and tables of which no row is anybody's."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.subject import Fingerprint, Subject, is_telling
from include.data.subject_rows import Columns, rows_of
from include.forgetting.tables import learn, read, scrubbed, scrubbed_text, scrubbed_value, wanted

COLUMNS = Columns.of("m", ["who"], {}, raw=False)


def learned(table: pa.Table, *, ids: bool = False, shared: frozenset[str] = frozenset()) -> Subject:
    subject = Subject.of(Fingerprint(b"k" * 32), {"who": "zoe-quaxel"})
    mask = rows_of(table, COLUMNS, subject)
    assert mask is not None
    learn(table, mask, COLUMNS, subject, ids=ids, shared=shared)
    return subject


ROWS = pa.table(
    {
        "who": ["zoe-quaxel", "zoe-quaxel", "other"],
        "request_id": ["r-00001", "r-00002", "r-00003"],
        "price": [48151.62342, 12.5, 48.25],
        "mail": ["zq@example.org", None, "a@example.org"],
        "city": ["Berlin", "Potsdam", "Berlin"],
    }
)


def test_what_nobody_else_has_is_the_subjects_own() -> None:
    subject = learned(ROWS)
    assert subject.asked("m", "r-00001")
    assert not subject.asked("m", "r-00003")
    assert not subject.asked("other model", "r-00001")
    owned = [value for value in ("zoe-quaxel", 48151.62342, "zq@example.org", "Potsdam", 12.5, "Berlin") if subject.owns(value)]
    assert owned == ["zoe-quaxel", 48151.62342, "zq@example.org", "Potsdam"]
    assert not learned(ROWS, shared=frozenset({"Potsdam"})).owns("Potsdam")
    assert not learned(ROWS, ids=True).owns(48151.62342)


def test_a_profile_keeps_what_is_everybodys() -> None:
    subject = learned(ROWS)
    profile = pa.table(
        {"edges": [[0.0, 12.5, 48151.62342]], "top": [{"zq@example.org": 1}], "most": [48151.62342], "name": ["price"]}
    )
    left, count = scrubbed(profile, subject)
    assert count == 2
    assert left["edges"].to_pylist() == [[0.0, 12.5, 48200.0]]
    assert left["most"].to_pylist() == [48200.0]
    assert left.schema == profile.schema
    value, count = scrubbed_value({"max": 48151.62342, "worst": ["zoe-quaxel", "other"], "n": 3}, subject)
    assert (value, count) == ({"max": 48200.0, "worst": ["forgotten", "other"], "n": 3}, 2)
    assert scrubbed(profile, Subject(subject.prints, {}))[1] == 0
    text, count = scrubbed_text("a.json", '{"max": 48151.62342, "words": "worst: zoe-quaxel."}', subject)
    assert (json.loads(text), count) == ({"max": 48200.0, "words": "worst: forgotten"}, 2)


@pytest.mark.parametrize(("value", "tells"), [("abcd", False), ("abcde", True), (1, False), (123456, True), (1.5, False),
                                              (48151.62342, True), (0.0000123456, True), (True, False), (float("nan"), False),
                                              (None, False), (1200000.0, False)])  # fmt: skip
def test_what_may_tell_one_from_others(value: object, tells: bool) -> None:
    assert is_telling(value) is tells


def test_a_file_that_cannot_be_read_is_no_file_without_the_subject(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 half")
    subject = learned(ROWS)
    for look in (lambda: read(path), lambda: wanted(path, COLUMNS, subject)):
        with pytest.raises(DataError, match="whether it holds the subject is not known"):
            look()
    pq.write_table(ROWS, path)
    mask = wanted(path, COLUMNS, subject)
    assert mask is not None
    assert mask.to_pylist() == [True, True, False]
