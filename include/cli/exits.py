"""The exit statuses of the `slipstream` command, in one table: what a script may decide by them."""

from __future__ import annotations

from enum import IntEnum

from include.core.errors import (
    ConflictError,
    FencedError,
    GateClosed,
    IntegrityError,
    SlipstreamError,
    SupersededError,
    TransientError,
    ValidationFailed,
)


class Exit(IntEnum):
    """What a command's end means. No number changes its meaning; a script may rely on each."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    FOUND = 3
    RETRY = 4
    REFUSED = 5
    FAULT = 70
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "Done; of a command that checks: it looked at everything, and found nothing.",
    Exit.ERROR: "An error that is explained: what was given, or what is stored, is wrong. The same command fails again.",
    Exit.USAGE: "Wrong usage: an option, an argument or a command that is none.",
    Exit.FOUND: "A check found something, and says what: a command that checks, or a digest that does not fit what is stored.",
    Exit.RETRY: "Not ready, or out of reach: a server does not answer, an input is not there yet. Try again later.",
    Exit.REFUSED: "Refused: other live work, a closed gate or a pause is in the way. A person decides; nothing was changed.",
    Exit.FAULT: "A fault of the program: the traceback is to be reported.",
    Exit.INTERRUPTED: "Interrupted from the keyboard.",
}

# The first class that fits: the most special first. What is none of them is ERROR.
_CLASSES: tuple[tuple[type[SlipstreamError], Exit], ...] = (
    (IntegrityError, Exit.FOUND),
    (ValidationFailed, Exit.FOUND),
    (ConflictError, Exit.REFUSED),  # PausedError is one
    (GateClosed, Exit.REFUSED),
    (FencedError, Exit.REFUSED),
    (SupersededError, Exit.REFUSED),
    (TransientError, Exit.RETRY),
)


def exit_of(error: SlipstreamError) -> Exit:
    """The status that an error ends a command with, by its class."""
    return next((status for kind, status in _CLASSES if isinstance(error, kind)), Exit.ERROR)


def found(anything: object) -> int:
    """The status of a command that checks: FOUND where anything was, DONE otherwise."""
    return Exit.FOUND if anything else Exit.DONE
