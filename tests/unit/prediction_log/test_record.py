from __future__ import annotations

import msgspec
import pytest

from include.prediction_log.layout import COLUMNS
from include.prediction_log.record import Record, parse_line
from include.prediction_log.sql_view import TEXTS

# Lines as releases wrote them, oldest first: without `unit`, `explored` and `metric`; with the plain hash; with whole keys.
EARLIER = (
    b'{"kind":"prediction","id":"a","at":"2025-01-01T00:00:00.000000+00:00","event_time":"2025-01-01T00:00:00",'
    b'"entity":{"carrier":"UA","flight":7},"features":{"x":1.5,"y":null},"version":1,"arm":"champion","score":0.5}',
    b'{"kind":"shadow","id":"a","at":"2025-01-01T00:00:00.000000+00:00","version":2,"score":0.5,"against":0.4}',
    b'{"kind":"prediction","id":"a","at":"2025-01-01T00:00:00.000000+00:00","unit":"00ff00ff00ff00ff","score":0.5,"version":3}',
)


@pytest.mark.parametrize(("line", "version"), list(zip(EARLIER, (1, 2, 3), strict=True)))
def test_lines_of_earlier_releases_are_read(line: bytes, version: int) -> None:
    record = parse_line(line)
    assert record is not None
    assert (record.id, record.version, record.explored, record.metric) == ("a", version, "", "")


def test_a_line_comes_back_as_it_was_written_and_fields_of_later_releases_are_passed_over() -> None:
    record = Record("label", "a", "2026-01-01T00:00:00.000000+00:00", label=1.0)
    line = msgspec.json.encode(record)
    assert line == b'{"kind":"label","id":"a","at":"2026-01-01T00:00:00.000000+00:00","label":1.0}'
    assert parse_line(line) == parse_line(line[:-1] + b',"of":"later"}') == record


@pytest.mark.parametrize(
    "line", [b"", b"   \n", b'{"kind":"prediction","id":"half', b"[]", b'{"id":"no kind"}', "\n", b'{"a":"\xc3']
)
def test_what_is_no_record_is_none(line: bytes | str) -> None:
    assert parse_line(line) is None


def test_what_names_fields_of_the_record_names_those_that_it_has() -> None:
    assert {*TEXTS, *list(COLUMNS)[:-2]} <= set(Record.__struct_fields__)
    assert list(COLUMNS)[-2:] == ["record", "upto"]


def test_a_line_of_one_output_says_nothing_of_several() -> None:
    line = msgspec.json.encode(Record("prediction", "r", "2026-01-01", score=0.5))
    assert line == b'{"kind":"prediction","id":"r","at":"2026-01-01","score":0.5}'
    several = Record("shadow", "r", "2026-01-01", score=0.5, outputs=[0.5, 0.25], against_outputs=[0.5, 0.5], place=0)
    assert parse_line(msgspec.json.encode(several)) == several
