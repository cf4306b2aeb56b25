"""A dossier of which anything was changed is refused: every byte, every field, JSON and page."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from include.core.digest import digest_json
from include.core.errors import IntegrityError, PermanentError, SlipstreamError
from include.governance.dossier.envelope import as_page, read, seal, text_of
from include.governance.dossier.keys import SigningKey
from include.governance.dossier.verify import verify
from tests.support.effort import effort
from tests.unit.governance.dossier.conftest import KEY

FLIPS = effort(150, 20_000)  # of random bytes, in each of the two forms


def holds(data: bytes, *, unsigned: bool = False) -> bool:
    """Whether somebody who has the public key is told that all is well."""
    try:
        return not verify(read(data), [KEY.public], unsigned=unsigned).found
    except SlipstreamError:
        return False


def test_the_two_forms_are_one_truth(signed: bytes, body: dict[str, Any]) -> None:
    page = as_page(signed)
    assert holds(signed)
    assert holds(page)
    assert read(page) == read(signed)
    assert {**read(signed).body, "signed_by": ""} == {**body, "signed_by": ""}
    assert seal(body, KEY) == signed, "the same content gives the same bytes"


@pytest.mark.parametrize("form", ["json", "page"])
def test_a_flipped_bit_anywhere_is_found(signed: bytes, form: str) -> None:
    data = signed if form == "json" else as_page(signed)
    chance = random.Random(form)
    edges = [0, 1, len(data) - 1, len(data) - 2]
    for place in [*edges, *(chance.randrange(len(data)) for _ in range(FLIPS))]:
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        assert not holds(bytes(changed)), f"byte {place}: {data[place : place + 1]!r} became {changed[place : place + 1]!r}"


@pytest.mark.parametrize("form", ["json", "page"])
def test_bytes_that_were_taken_out_put_in_or_moved_are_found(signed: bytes, form: str) -> None:
    data = signed if form == "json" else as_page(signed)
    chance = random.Random(form)
    for _ in range(FLIPS // 3):
        place, size = chance.randrange(len(data) - 40), chance.randint(1, 40)
        out = data[:place] + data[place + size :]
        assert not holds(out), place
        assert not holds(data[:place] + chance.randbytes(size) + data[place:]), place
        moved = data[:place] + data[place + 1 : place + 2] + data[place : place + 1] + data[place + 2 :]
        assert moved == data or not holds(moved), place
    for more in (b"\n", b" ", b"\x00", b"<!-- -->"):
        assert not holds(data + more)
        assert not holds(more + data)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within."""
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, name)
            yield from places(each, (*path, name))


def test_every_field_that_was_changed_or_taken_out_is_found_also_where_its_digest_was_made_anew(signed: bytes) -> None:
    whole = json.loads(signed)
    for *way, last in places(whole):
        for taken_out in (False, True):
            envelope = json.loads(signed)
            inner = envelope
            for step in way:
                inner = inner[step]
            if taken_out:
                del inner[last]
            else:
                inner[last] = "x" if inner[last] != "x" else "y"
            assert not holds(text_of(envelope)), (way, last)
            if isinstance(envelope.get("body"), dict):
                envelope["digest"] = digest_json(envelope["body"])
                if text_of(envelope) != signed:
                    assert not holds(text_of(envelope)), (way, last)


def test_lists_in_another_order_are_found(signed: bytes) -> None:
    envelope = json.loads(signed)
    rows = envelope["body"]["audit"]["rows"]
    rows[0], rows[1] = rows[1], rows[0]
    envelope["digest"] = digest_json(envelope["body"])
    assert not holds(text_of(envelope))


def test_another_text_of_the_same_json_is_refused(signed: bytes) -> None:
    value = json.loads(signed)
    for text in (
        json.dumps(value),
        json.dumps(value, indent=1),
        signed.decode().rstrip("\n"),
        signed.decode().replace("0.25", "0.250"),
    ):
        with pytest.raises(IntegrityError, match="not written as a dossier's"):
            read(text.encode())
    twice = signed.replace(b'"digest":', b'"digest":"x","digest":', 1)
    assert not holds(twice)


def test_a_signature_that_was_taken_away_or_is_anothers_is_found(signed: bytes, body: dict[str, Any]) -> None:
    envelope = json.loads(signed)
    bare = text_of({**envelope, "signature": None})
    assert not holds(bare, unsigned=True), "it says itself that it was signed"
    assert not holds(seal(body, SigningKey(bytes(32))))
    other = json.loads(seal({**body, "version": 4}, KEY))
    assert not holds(text_of({**envelope, "signature": other["signature"]}))
    assert not holds(
        text_of({**envelope, "signature": {**envelope["signature"], "value": envelope["signature"]["value"].upper()}})
    )


def test_a_page_of_one_around_the_json_of_another_is_found(signed: bytes, body: dict[str, Any]) -> None:
    mine, others = as_page(signed).decode(), as_page(seal({**body, "version": 4}, KEY)).decode()
    start, end = '<pre id="dossier">', "</pre><!--"
    inner = mine[mine.index(start) : mine.index(end)]
    assert not holds((others[: others.index(start)] + inner + others[others.index(end) :]).encode())


def test_an_unsigned_one_says_so_and_is_taken_only_where_that_is_asked_for(body: dict[str, Any]) -> None:
    data = seal(body, None)
    assert b"Unsigned." in as_page(data)
    assert not holds(data)
    assert holds(data, unsigned=True)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{}", b"[1]", b"null", b"\xff\xfe", b"<html>", b"[" * 100_000, b"{" * 9, b'{"dossier":"1"}', b'{"dossier":NaN}'],
    ids=lambda data: str(data[:12]),
)  # fmt: skip
def test_what_is_no_dossier_is_told_and_no_traceback(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        read(data)


def test_one_of_a_later_release_is_not_called_changed(signed: bytes) -> None:
    envelope = json.loads(signed)
    with pytest.raises(PermanentError, match="A later release"):
        read(text_of({**envelope, "dossier": 2}))
