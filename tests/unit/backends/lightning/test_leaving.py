from __future__ import annotations

import threading

import pytest

from tests.support.later import Later

pytestmark = pytest.mark.lives  # torch takes seconds to import

leaving = Later("include.backends.lightning.leaving")


def test_one_worker_alone_leaves_as_it_was_asked() -> None:
    asked = threading.Event()
    agreed = leaving.Agreement(asked)
    assert not agreed()
    asked.set()
    assert agreed()


def test_the_first_batch_is_told_once() -> None:
    told: list[int] = []
    pace = leaving.Pace(lambda: told.append(1))
    for _ in range(3):
        pace.on_train_batch_end()
    assert (pace.done, told) == (3, [1])
