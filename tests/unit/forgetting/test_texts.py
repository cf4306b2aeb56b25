"""A subject's values in texts: found as words and as all between tags or quotation marks; others' words stay."""

from __future__ import annotations

import json

import pytest

from include.core.subject import Fingerprint, Subject
from include.forgetting.texts import body_of, is_text, names_subject, without_values


@pytest.fixture
def subject() -> Subject:
    made = Subject.of(Fingerprint(b"k" * 32), {"who": "Zoë Quaxel"})
    made.own([48151.62342, "zq-00001"])
    made.note("m", ["r7"])
    return made


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<td>Zo&euml; Quaxel</td><td>Zoë</td>", "<td>forgotten</td><td>Zoë</td>"),
        ('{"who": "Zoë Quaxel", "n": 48151.62342}', '{"who": "forgotten", "n": forgotten}'),
        ("worst: zq-00001, zq-000012 and zq-0000.", "worst: forgotten, zq-000012 and zq-0000."),
        ("it was zq-00001.", "it was forgotten"),
        ("", ""),
    ],
)
def test_values_are_put_out(subject: Subject, text: str, left: str) -> None:
    assert without_values(text, subject) == (
        left,
        text.count("zq-00001,") + text.count("zq-00001.") + ("Quaxel" in text) + text.count("48151.62342"),
    )


@pytest.mark.parametrize(
    ("body", "is_named"),
    [
        ({"entity": {"who": "Zoë Quaxel"}}, True),
        ({"instances": [{"who": "bob"}, {"who": "Zoe\u0308 Quaxel"}]}, True),
        ({"id": "r7", "entity": {"who": "bob"}}, True),
        ({"id": 7}, False),
        ({"note": "about zq-00001"}, True),
        ({"entity": {"who": "bob"}}, False),
        ([], False),
    ],
)
def test_a_body_about_the_subject(subject: Subject, body: object, is_named: bool) -> None:
    assert names_subject(json.dumps(body).encode(), "m", subject) is is_named


def test_bodies_that_are_no_json(subject: Subject) -> None:
    assert names_subject(b"who,zq-00001,1", "m", subject)
    assert not names_subject(b"\xff\xfe", "m", subject)
    assert body_of({"base64": "enEtMDAwMDE="}) == b"zq-00001"
    assert body_of({"base64": "not base64!"}) in (b"", b"\x9e\x8bm\xb1\xec\x9e")
    assert body_of({}) == b""
    assert [is_text(name) for name in ("a.html", "b.onnx", "c.parquet", "d.json")] == [True, False, False, True]
