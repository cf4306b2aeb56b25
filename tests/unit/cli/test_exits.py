from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.cli.exits import MEANINGS, Exit, exit_of, found
from include.core import errors
from include.core.errors import SlipstreamError

BY_CLASS = {
    "PermanentError": 1, "SpecError": 1, "DataError": 1, "InputError": 1, "CodeError": 1,
    "DivergedError": 1, "TimeLimitError": 1, "MemoryStillShort": 1,
    "ValidationFailed": 3, "IntegrityError": 3,
    "TransientError": 4, "NotReadyError": 4, "UnreachableError": 4, "StorageFullError": 4, "JobFailedError": 4,
    "MemoryLimitError": 4,
    "GateClosed": 5, "ApprovalMissing": 5, "ConflictError": 5, "NotAllowedError": 5,
    "PausedError": 5, "FencedError": 5, "SupersededError": 5,
}  # fmt: skip


def classes(kind: type[SlipstreamError] = SlipstreamError) -> Iterator[type[SlipstreamError]]:
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from classes(below)


@pytest.mark.parametrize("kind", list(classes()), ids=lambda kind: kind.__name__)
def test_each_class_of_error_ends_a_command_with_its_status(kind: type[SlipstreamError]) -> None:
    assert exit_of(kind("it went wrong")) == BY_CLASS[kind.__name__]


def test_an_error_of_a_class_to_come_has_the_status_of_the_class_above() -> None:
    class LateError(errors.NotReadyError):
        pass

    assert exit_of(LateError("not yet")) == Exit.RETRY
    assert exit_of(SlipstreamError("it went wrong")) == Exit.ERROR


def test_a_check_says_whether_it_found_anything() -> None:
    assert (found([]), found(["a row"])) == (0, 3)


def test_every_status_has_its_meaning_written_down() -> None:
    assert set(MEANINGS) == set(Exit)
    assert [int(status) for status in Exit] == [0, 1, 2, 3, 4, 5, 70, 130]
