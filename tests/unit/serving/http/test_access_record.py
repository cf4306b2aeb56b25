"""The access record's file, and what it costs where it is off: nothing of it is on a request's way."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from include.core.environment import ACCESS_LOG
from include.core.errors import PermanentError
from include.serving.http import access_record as module
from include.serving.http.access import Access
from include.serving.http.access_record import AccessRecord, RotatedFile, folder_of, open_record

TOKEN = [(b"authorization", b"Bearer let-me-in")]


def record(file: RotatedFile) -> AccessRecord:
    return AccessRecord(file, Access("let-me-in", loopback=True))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_is_off_unless_a_folder_is_named(tmp_path: Path) -> None:
    access = Access(loopback=True)
    assert open_record({}, access) is None
    assert open_record({ACCESS_LOG.name: str(tmp_path / "made" / "for it")}, access) is not None
    assert (tmp_path / "made" / "for it" / "access-0.jsonl").stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PermanentError, match="file"):
            folder_of({ACCESS_LOG.name: str(place)})


def test_two_processes_have_a_file_each_and_the_next_one_goes_on_with_a_dead_one_s(tmp_path: Path) -> None:
    first, second = RotatedFile(tmp_path), RotatedFile(tmp_path)
    assert [file.path.name for file in (first, second)] == ["access-0.jsonl", "access-1.jsonl"]
    first.write(b"one\n")
    module.os.close(first._lock)  # as the kernel does with a process that died
    third = RotatedFile(tmp_path)
    third.write(b"two\n")
    assert third.path.read_text() == "one\ntwo\n"


def test_what_it_takes_is_bounded_and_the_newest_lines_stay(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path, limit=10, kept=2)
    for number in range(20):
        file.write(b"line %02d\n" % number)
    kept = {path.name: path.read_text() for path in tmp_path.glob("access-0.jsonl*")}
    assert kept == {"access-0.jsonl": "line 19\n", "access-0.jsonl.1": "line 18\n", "access-0.jsonl.2": "line 17\n"}


def test_a_line_says_who_asked_for_what_and_what_became_of_it(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path)
    told = record(file)
    told.note("POST", "/push/toy/weather", TOKEN, 200)
    told.note("POST", "/push/toy/weather", [(b"authorization", b"Bearer other")], 401)
    told.note("GET", "/../etc/passwd", [], 400)
    told.note("", "", [], 400)  # a head that could not be read
    seen = [tuple(line[name] for name in ("who", "right", "model", "route", "status")) for line in lines(file.path)]
    assert seen == [
        ("connection", "push", "toy", "POST /push/{model}/{view}", 200),
        ("", "push", "toy", "POST /push/{model}/{view}", 401),
        ("", "", "", "", 400),
        ("", "", "", "", 400),
    ]


def test_a_full_disk_costs_lines_and_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = RotatedFile(tmp_path)
    told = record(file)

    def full(line: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file, "write", full)
    for _ in range(3):
        told.note("GET", "/status", [], 200)
    assert caplog.text.count("lines of the access record are lost") == 1


def test_paths_that_are_all_different_are_not_remembered_without_end(tmp_path: Path) -> None:
    told = record(RotatedFile(tmp_path))
    for number in range(module.KNOWN + 50):
        told.note("GET", f"/v2/models/m{number}", [], 404)
    assert len(told._routes) <= module.KNOWN
