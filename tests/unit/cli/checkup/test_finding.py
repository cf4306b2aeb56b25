from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Event

from include.cli.checkup.finding import Finding, Level, ok, run_all
from include.core.errors import NotReadyError


def test_checks_run_at_once_and_are_told_in_their_order() -> None:
    meeting = Barrier(2)

    def check(name: str) -> Iterator[Finding]:
        meeting.wait(30)
        yield ok(name, "is there.")

    found = run_all({"a": lambda: check("a"), "b": lambda: check("b")}, 60)
    assert [each.about for each in found] == ["a", "b"]


def test_one_that_fails_or_hangs_is_a_finding_too() -> None:
    forever = Event()

    def hang() -> Iterator[Finding]:
        forever.wait()
        yield ok("late", "")

    def refuse() -> Iterator[Finding]:
        raise NotReadyError("It is not there yet.", hint="make up")

    def fail() -> Iterator[Finding]:
        yield ok("first", "")
        raise RuntimeError("a bug")

    late, refused, failed = run_all({"hang": hang, "refuse": refuse, "fail": fail}, 0.5)
    assert {each.level for each in (late, refused, failed)} == {Level.PROBLEM}
    assert "within 0.5 s" in late.words
    assert (refused.words, refused.next) == ("It is not there yet.", "make up")
    assert "RuntimeError: a bug" in failed.words
    forever.set()
