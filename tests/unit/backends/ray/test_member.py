"""What a worker answers while it trains; the fit itself runs on a real cluster in tests/integration."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from include.backends.ray.member import Member, Progress, Watched
from include.core.storage import LocalStorage


def worker() -> tuple[Any, list[int]]:
    """One that trains in group 4, and the signals that its process's former handler was given."""
    passed: list[int] = []
    member: Any = object.__new__(Member)
    member._asked, member._parting, member._trains, member._group = threading.Event(), False, True, 4
    member._former = lambda number, _: passed.append(number)
    return member, passed


def test_a_worker_leaves_its_own_group_alone() -> None:
    member, _ = worker()
    member.leave(3)  # came late: of the group before
    assert not member._asked.is_set()
    member.leave(4)
    assert member._asked.is_set()


def test_sigterm_has_the_group_leave_once_and_then_ends_the_process() -> None:
    member, passed = worker()
    member._told_to_end(signal.SIGTERM, None)
    assert (member._asked.is_set(), member._parting, passed) == (True, True, [])
    member._told_to_end(signal.SIGTERM, None)
    assert passed == [signal.SIGTERM]


def test_sigterm_ends_a_worker_that_is_in_no_group() -> None:
    member, passed = worker()
    member._trains = False
    member._told_to_end(signal.SIGTERM, None)
    assert (member._parting, passed) == (False, [signal.SIGTERM])


def test_the_checkpoints_know_when_the_newest_was_written_and_by_whom(tmp_path: Path) -> None:
    store = Watched(LocalStorage(tmp_path), "c")
    assert (store.saved, store.seconds()) == (None, 0.0)
    store.save_step(50, b"state")
    assert store.saved == 50
    assert store.seconds() >= 0
    assert Watched(LocalStorage(tmp_path), "c").saved is None  # another worker has not written it
    assert Progress().group == 0
