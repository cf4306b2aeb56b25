"""What killed writers leave is swept; what the living write is not; a full disk is told as one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from include.core.errors import StorageFullError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.scratch import STALE, is_abandoned, mark, scratch_folder, sweep
from include.core.storage import TEMPORARY, LocalStorage


def in_a_process_that_dies(function: Callable[[], None]) -> None:
    pid = os.fork()
    if not pid:
        function()
        os._exit(0)
    os.waitpid(pid, 0)


def test_only_what_the_dead_left_is_swept(tmp_path: Path) -> None:
    in_a_process_that_dies(lambda: (tmp_path / f"{TEMPORARY}{mark()}").touch())
    dead = next(tmp_path.iterdir())
    mine, unmarked = tmp_path / f"{TEMPORARY}{mark()}", tmp_path / f"{TEMPORARY}0123"
    mine.touch()
    unmarked.touch()
    assert [is_abandoned(path) for path in (dead, mine, unmarked)] == [True, False, False]
    sweep(tmp_path, TEMPORARY)
    assert sorted(tmp_path.iterdir()) == sorted([mine, unmarked])

    old = time.time() - STALE - 60  # another machine's, or an older release's: a day later it is gone, too
    os.utime(unmarked, (old, old))
    sweep(tmp_path, TEMPORARY)
    assert list(tmp_path.iterdir()) == [mine]


def test_a_reused_process_number_is_not_its_writer(tmp_path: Path) -> None:
    machine, pid, start, number = mark().split("-")
    assert is_abandoned(tmp_path / f"{TEMPORARY}{machine}-{pid}-{int(start) - 1}-{number}")


def test_a_scratch_folder_goes_with_its_work_and_takes_the_deads_along(tmp_path: Path) -> None:
    def die_within() -> None:
        with scratch_folder(tmp_path):
            os._exit(0)

    in_a_process_that_dies(die_within)
    assert len(list(tmp_path.iterdir())) == 1
    with scratch_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("IO Error: No space left on device")]
)
def test_a_full_scratch_names_its_path_and_the_bytes(tmp_path: Path, error: Exception) -> None:
    told = r"No space left to write .*slipstream-.* \(at least 4196 bytes needed\)"
    with pytest.raises(StorageFullError, match=told):
        _fill(tmp_path, error)
    with pytest.raises(ValueError, match="something else"), scratch_folder(tmp_path):
        raise ValueError("something else")


def _fill(home: Path, error: Exception) -> None:
    with scratch_folder(home) as folder:
        (folder / "part").write_bytes(b"0" * 100)
        raise error


def test_the_ledger_keeps_no_output_that_lost_the_race_and_no_temporary_of_the_dead(tmp_path: Path) -> None:
    ledger, request = Ledger(LocalStorage(tmp_path / "store")), Request("s", "x:y", "m", {})
    attempt = ledger.open_attempt(request.key, 0)
    for name, text in (("a", "killed before its result"), ("b", "the one that stands")):
        (tmp_path / name).write_text(text)
    stored = ledger._store(attempt, "out.txt", tmp_path / "a")
    in_a_process_that_dies(lambda: (tmp_path / "store" / attempt.folder / f"{TEMPORARY}{mark()}").touch())
    result = ledger.commit(request, attempt, Outcome({}, {"out.txt": tmp_path / "b"}), 0.0)
    assert not ledger.storage.exists(stored.path)
    assert ledger.verify(result) == []
    late = ledger.commit(request, attempt, Outcome({}, {"out.txt": tmp_path / "a"}), 0.0)
    assert late == result
    assert [path for path in ledger.storage.list("ledger") if "/a1/" in path] == [result.files["out.txt"].path]
    assert not list((tmp_path / "store").rglob(f"{TEMPORARY}*"))
