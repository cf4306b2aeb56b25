"""What to report of an exception that is not one of ours, and whether to try again.

A model's own code runs inside our steps. The same code on the same input raises the same ValueError again, so a
retry only costs time; memory, network, disk and workers may be there the next time. Its exception may be of a class
that no other process can import, and its text may hold a whole array: only its type and the head of its text are kept.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from include.core import memory_limit
from include.core.digest import PROJECT
from include.core.errors import CodeError, JobFailedError, SlipstreamError
from include.core.places import active_folders

log = logging.getLogger(__name__)

TEXT = 400  # characters of an exception's own text that are shown

# The program or its input is wrong. RuntimeError is not among them: torch raises it for lost peers and full devices too.
_WRONG = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, NotImplementedError,
    RecursionError, SyntaxError, TypeError, ValueError, SystemExit,
)  # fmt: skip
_MAY_PASS = (MemoryError, OSError)  # OSError: network, disk, timeouts
_WRONG_SQL = ("ProgrammingError", "DataError", "NotSupportedError")  # names of PEP 249
_DEEPEST = 20  # links of a chain of causes


def as_slipstream_error(error: BaseException) -> SlipstreamError:
    """The exception as one of our errors: CodeError if a retry cannot help, else JobFailedError, which a MemoryLimitError is.
    Ours are kept."""
    if isinstance(error, SlipstreamError):
        return error
    what = f"{describe(error)}{_where(error)}."
    if (short := memory_limit.of_error(error, what.rstrip("."))) is not None:
        return short
    if is_permanent(error):
        return CodeError(
            what,
            safe="nothing was committed; checkpoints are kept. It is not retried: the same code on the same input fails again.",
            hint="mend the code or its input, then clear the task.",
        )
    return JobFailedError(
        what,
        safe="nothing was committed; checkpoints are kept.",
        hint="none if retries are left: the next attempt goes on from the checkpoints; else mend the cause and clear the task.",
    )


def describe(error: BaseException) -> str:
    """Type and message in one line, the message cut. Never raises, whatever the exception's `__str__` does."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - an author's __str__
        text = f"(its message cannot be shown: {type(broken).__name__})"
    line = " ".join(text[: 4 * TEXT].split())
    if len(line) > TEXT or len(text) > 4 * TEXT:
        line = f"{line[:TEXT]}... (cut, {len(text)} characters)"
    return f"{type(error).__name__}: {line or '(no message)'}"


def is_permanent(error: BaseException) -> bool:
    """Whether the same code would fail again. An error of network or memory anywhere behind it may pass."""
    chain = _chain(error)
    if any(isinstance(link, _MAY_PASS) for link in chain):
        return False
    return isinstance(error, _WRONG) or _is_wrong_sql(error)


def log_exception(error: BaseException) -> None:
    """Log where it came from. Without its text: that may be an array of a million numbers."""
    log.error("%s\n%s", describe(error), "".join(traceback.format_tb(error.__traceback__)))


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it says it was raised from."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(links) < _DEEPEST:
        links.append(link)
        link = link.__cause__
    return links


def _is_wrong_sql(error: BaseException) -> bool:
    kinds = [kind for kind in type(error).__mro__ if kind.__module__.split(".")[0] in ("duckdb", "_duckdb")]
    return any(kind.__name__ in _WRONG_SQL for kind in kinds)


def _where(error: BaseException) -> str:
    """The last line of the project's own code that it passed through, beginning with a space; empty if unknown."""
    frames = traceback.extract_tb(error.__traceback__)
    known = [frame for frame in frames if _is_own(frame.filename)]
    if not known:
        return ""
    last = known[-1]
    path = Path(last.filename)
    shown = path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
    return f" (at {shown}:{last.lineno}, in {last.name})"


def _is_own(filename: str) -> bool:
    """Whether a file is the project's, or of a place of models elsewhere."""
    if "site-packages" in filename or filename.startswith("<"):
        return False
    return any(Path(filename).is_relative_to(folder) for folder in (PROJECT, *active_folders()))
