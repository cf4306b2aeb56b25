from __future__ import annotations

import threading

from include.serving.recurring import Recurring

PATIENCE = 30.0  # seconds; only a failing test waits so long


def test_it_acts_again_and_again_until_it_is_stopped() -> None:
    acted, thrice = list[str](), threading.Event()

    def act() -> None:
        acted.append(threading.current_thread().name)
        if len(acted) >= 3:
            thrice.set()

    recurring = Recurring("looker", act, every=0.001)
    recurring.start()
    assert thrice.wait(PATIENCE)
    recurring.stop()
    count = len(acted)
    assert set(acted) == {"looker"}
    recurring.stop()  # a second time changes nothing
    assert len(acted) == count


def test_it_waits_before_the_first_time_where_it_is_to() -> None:
    acted = list[int]()
    recurring = Recurring("looker", lambda: acted.append(1), every=0.001, delay=3600.0)
    recurring.start()
    recurring.stop()
    assert acted == []


def test_one_that_was_never_started_is_stopped() -> None:
    Recurring("looker", lambda: None, every=1.0).stop()
