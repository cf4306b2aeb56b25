"""The error tree. The base class says what a retry policy should do.

SlipstreamError
├── PermanentError            a retry cannot help: fail at once
│   ├── SpecError             a model's spec is wrong
│   ├── DataError             a partition, a label or a training set is wrong
│   │   └── InputError        a task lacks an input, or has one of another step, model or run
│   ├── CodeError             a model's own code failed, and would fail again
│   ├── DivergedError         a fit's loss or weights are no numbers any more
│   ├── TimeLimitError        an attempt took longer than it may
│   ├── MemoryStillShort      two attempts in a row ended for want of memory
│   ├── ValidationFailed      a batch broke a `stop` expectation
│   ├── GateClosed            a model may not go further
│   │   └── ApprovalMissing   persons who are asked have not let it on yet
│   ├── FencedError           a newer holder owns the resource: this attempt is late
│   ├── SupersededError       a newer generation of the result was opened: this attempt is late
│   ├── ConflictError         someone else's live work is in the way
│   │   ├── NotAllowedError   not this person: somebody else has to decide it
│   │   └── PausedError       a person holds the rollout: it goes on where it was once they let it
│   └── IntegrityError        bytes do not match their recorded digest
└── TransientError            try again
    ├── NotReadyError         an input has not arrived yet
    ├── UnreachableError      a service does not answer (names the address and the setting)
    ├── StorageFullError      no space left (names the path and the bytes needed)
    └── JobFailedError        a job died; the next attempt resumes from its checkpoint
        └── MemoryLimitError  it died for want of memory: once more, then MemoryStillShort
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEEN = 2000  # characters of a value that a message shows
_PLAIN = (str, bytes, int, float, bool, type(None))


class Shown(str):
    """A value that another process has put into words: it is shown as it is, without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def shown(seen: object) -> str:
    """A value for people, on one line, cut. Never raises."""
    try:
        text = " ".join(repr(seen).splitlines())
    except Exception as broken:  # noqa: BLE001 - a value of another's class
        return f"(a {type(seen).__name__} that cannot be shown: {type(broken).__name__})"
    return text if len(text) <= SEEN else f"{text[:SEEN]}... (cut, {len(text)} characters)"


def one_line(error: BaseException | str) -> str:
    """Any exception, or its words, on one line: for JSON answers, alerts, audit reasons, cells of a table, a server's log."""
    return " ".join(str(error).split())


class SlipstreamError(Exception):
    """An error that says what happened, the value seen, what is safe, and the next command.

    Alone (`str(error)`, a task's log) each of the four has a line of its own, for logs are cut at the right edge. Put into
    another text (`f"... {error}"`) it stays on one line; `one_line(error)` says so where it is handed over as a string.
    """

    def __init__(self, what: str, *, seen: object = None, safe: str = "", hint: str = "") -> None:
        self.what, self.seen, self.safe, self.hint = what, seen, safe, hint
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """What happened, and those of the other three parts that are known, each with its word before it."""
        parts = {"Seen": "" if self.seen is None else f"{shown(self.seen)}.", "Safe": self.safe, "Next": self.hint}
        return [self.what.strip(), *(f"{word}: {text}" for word, text in parts.items() if text)]

    def __format__(self, spec: str) -> str:
        return format(one_line(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross processes (Ray, LocalExecutor): keep the fields, not just the text.
        return _rebuild, (type(self), self.what, _portable(self.seen), self.safe, self.hint)


def _portable(seen: object) -> object:
    """The value where any process can read it back; else its words. A class may be unknown there, or refuse to be copied."""
    if isinstance(seen, Shown):
        return seen
    return seen if _is_plain(seen) else Shown(shown(seen))


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(each) for item in value.items() for each in item)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


def fields_of(error: SlipstreamError) -> dict[str, str]:
    """The error as plain text by field: a file, or the line of another process, that `of_fields` reads back."""
    # An author's own subclass is known to no other process: the nearest class of ours says what to do.
    kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == __name__)
    return {"type": kind, "what": error.what, "seen": shown(error.seen), "safe": error.safe, "hint": error.hint}


def of_fields(fields: Mapping[str, str]) -> SlipstreamError:
    """The error as it was; one of a class that this release does not know is a PermanentError."""
    known = globals().get(fields["type"])
    kind = known if isinstance(known, type) and issubclass(known, SlipstreamError) else PermanentError
    seen = None if fields["seen"] == "None" else Shown(fields["seen"])
    return kind(fields["what"], seen=seen, safe=fields["safe"], hint=fields["hint"])


def _rebuild(kind: type[SlipstreamError], what: str, seen: object, safe: str, hint: str) -> SlipstreamError:
    return kind(what, seen=seen, safe=safe, hint=hint)


class PermanentError(SlipstreamError):
    """A retry cannot help."""


class TransientError(SlipstreamError):
    """A retry may help."""


class SpecError(PermanentError):
    """A model's spec is wrong: names the field, the value and what is allowed."""


class DataError(PermanentError):
    """A partition, a label or a training set cannot be used."""


class InputError(DataError):
    """A task of a DAG has no value for an input, or one that is of another step, model or run."""


class CodeError(PermanentError):
    """A model's own code raised, and the same code on the same input would raise again."""


class DivergedError(PermanentError):
    """The loss or the weights of a fit are no finite numbers. The same steps lead there again."""


class TimeLimitError(PermanentError):
    """An attempt took longer than `training.time_limit`. What it had kept stays."""


class ValidationFailed(PermanentError):
    """A batch broke an expectation that stops it. The verdict stays in the ledger."""


class GateClosed(PermanentError):
    """A gate (evaluation, smoke test) did not open."""


class FencedError(PermanentError):
    """A newer holder has taken the resource; this attempt woke up late and changed nothing."""


class SupersededError(PermanentError):
    """A newer generation of this result was opened; this attempt may no longer commit."""


class ConflictError(PermanentError):
    """Another live piece of work holds what this one needs."""


class PausedError(ConflictError):
    """The rollout is paused. Whoever drives it waits; for anyone else it is a conflict."""


class ApprovalMissing(GateClosed):
    """A person has to say yes first. Whoever drives the rollout asks, and waits; for anyone else the gate is closed."""


class NotAllowedError(ConflictError):
    """Not this person: somebody else has to decide it."""


class IntegrityError(PermanentError):
    """Bytes do not match the digest recorded for them."""


class NotReadyError(TransientError):
    """An input has not arrived yet."""


class UnreachableError(TransientError):
    """A service does not answer. The message names its address and the setting that holds it."""


class StorageFullError(TransientError):
    """No space left. What was there before is untouched."""


class JobFailedError(TransientError):
    """A job ended without its outputs."""


class MemoryLimitError(JobFailedError):
    """A computation needed more memory than there was. Somebody else's may have been it: one more attempt may pass."""


class MemoryStillShort(PermanentError):
    """Two attempts in a row ended for want of memory: a third would, too."""
