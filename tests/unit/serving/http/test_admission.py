from __future__ import annotations

import time

from include.serving.http.admission import FEWEST, MOST, TARGET_SECONDS, Admission


def test_so_many_are_let_in_and_no_more() -> None:
    admission = Admission()
    admission.waiting = admission.limit - 1
    assert not admission.full
    admission.waiting += 1
    assert admission.full
    admission.answered(1)
    assert not admission.full


def limit_at(seconds: float) -> int:
    """Where it comes to rest if a thousand answers cost so much of the thread's time."""
    admission = Admission()
    for _ in range(40):
        admission.waiting = 1000
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        admission.answered(1000)
    return admission.limit


def test_the_limit_follows_what_an_answer_costs() -> None:
    cheap, dear = limit_at(0), limit_at(0.02)
    assert FEWEST <= dear < cheap <= MOST
    assert dear <= TARGET_SECONDS / 20e-6, "as many as make the last one wait the target"
