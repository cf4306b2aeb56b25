from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.backends.process.log_tail import ROOM, last_bytes, last_lines, of_file, of_json_field

NASTY = ['"quoted"', "back\\slash", "\\\\\\", "tab\tand\x00", "é🙂", "{}", '\\"}', "\\n is no line break", "\\u0041"]


def answer(log: str, ascii_only: bool, size: int) -> list[bytes]:
    data = json.dumps({"logs": log}, ensure_ascii=ascii_only).encode()
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("word", NASTY)
def test_the_end_of_a_long_log_is_read_wherever_it_is_cut(word: str, ascii_only: bool) -> None:
    for shift in range(14):
        log = "x" * shift + "\n".join([*[word * 3] * (ROOM // 8), "y" * shift])
        tail = of_json_field(answer(log, ascii_only, 4096), "logs")
        assert len(tail) > ROOM // 16
        assert log.endswith(tail)


@pytest.mark.parametrize("word", NASTY)
def test_one_line_that_is_longer_than_the_room_is_cut_and_no_error(word: str) -> None:
    for shift in range(14):
        log = "x" * shift + word * ROOM
        tail = of_json_field(answer(log, True, 4096), "logs")
        assert log.endswith(tail[16:])
        assert len(tail) > ROOM // 16 or set(word) == {"\\"}  # where one of them begins, nobody can tell


def test_a_short_log_is_whole() -> None:
    assert of_json_field(answer("one\ntwo\n", True, 3), "logs") == "one\ntwo\n"
    assert of_json_field([b'{"logs": null}'], "logs") == ""


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[1]", b"", b"<html>" + b"x" * 2 * ROOM])
def test_another_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        of_json_field([body], "logs")


def test_no_more_than_the_end_is_held() -> None:
    data, cut = last_bytes(bytes([n % 251]) * 1000 for n in range(10_000))
    assert (len(data), cut) == (ROOM, True)
    assert data.endswith(bytes([9_999 % 251]) * 1000)


def test_the_last_lines_of_a_file_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert of_file(path, 3) == ""
    path.write_bytes(b"\xff" * 10 * ROOM + b"\none\ntwo\nthree\n\n")
    assert of_file(path, 2) == "two\nthree"
    assert last_lines("a\nb\n\n", 1) == "b"
