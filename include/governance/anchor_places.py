"""The places of anchors that need no vendor: a file that is only appended to, syslog, a line of the process's own log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from logging import LogRecord
from logging.handlers import SysLogHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from include.core.adapters import adapter
from include.core.digest import digest_bytes
from include.core.environment_governance import AUDIT_ANCHOR, AUDIT_ANCHOR_DAYS
from include.core.errors import SpecError, UnreachableError
from include.core.ports import AwsAccess
from include.governance.anchors import FIELD, Anchor, Held, Place, Unreadable, anchor_of

TAIL = 4096  # bytes of a file in which its last line is
FORMS = "s3://bucket/prefix, file:///path, syslog://host:514, syslog:///dev/log or log:"
Say = Callable[[str], object]


class FilePlace:
    """A file of lines of JSON. Its owner makes it one that is only appended to (`chattr +a`), or mounts it from elsewhere."""

    readable = True

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def write(self, anchor: Anchor) -> bool:
        last = self._last()
        known = anchor_of(_object(last))
        if known is not None and (known.seq, known.hash) == (anchor.seq, anchor.hash):
            return False
        begun = b"\n" if last and not last.endswith(b"\n") else b""  # by a writer that a power cut stopped
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, begun + anchor.line.encode() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._away(error) from error
        return True

    def read(self) -> list[Held]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._away(error) from error
        found = [(number, line, anchor_of(_object(line))) for number, line in enumerate(lines, start=1) if line.strip()]
        return [anchor or Unreadable(number, digest_bytes(line)) for number, line, anchor in found]

    def _last(self) -> bytes:
        """The last line, with its end if it has one."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
                return (file.read().splitlines(keepends=True) or [b""])[-1]
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._away(error) from error

    def _away(self, error: OSError) -> UnreachableError:
        return UnreachableError(
            f"The anchors of the audit chain at {self.path} cannot be reached: {error.strerror}.",
            safe="the audit chain is as it was; the next run tries again.",
            hint=f"see that the folder of {AUDIT_ANCHOR.name} is mounted, and that this process may append to the file.",
        )


class LogPlace:
    """A line of JSON of the process's own log, which is carried away."""

    readable = False

    def __init__(self, name: str, say: Say) -> None:
        self.name, self._say = name, say

    def write(self, anchor: Anchor) -> bool:
        self._say(anchor.line)
        return True

    def read(self) -> list[Held]:
        return []


class SyslogPlace:
    """A message to syslog, facility authpriv: over UDP, which says nothing of a server that is away, or a local socket."""

    readable = False

    def __init__(self, name: str, address: tuple[str, int] | str) -> None:
        self.name, self._address = name, address

    def write(self, anchor: Anchor) -> bool:
        handler = _Telling(self._address, SysLogHandler.LOG_AUTHPRIV)
        try:
            handler.emit(LogRecord("slipstream", 20, "", 0, f"slipstream: {anchor.line}", None, None))
        except OSError as error:
            raise UnreachableError(
                f"Syslog does not take the anchor of the audit chain: {error}.",
                seen=self.name,
                safe="the audit chain is as it was; the next run tries again.",
                hint=f"see {AUDIT_ANCHOR.name}.",
            ) from error
        finally:
            handler.close()
        return True

    def read(self) -> list[Held]:
        return []


class _Telling(SysLogHandler):
    def __init__(self, address: tuple[str, int] | str, facility: int) -> None:
        try:
            super().__init__(address, facility)
        except OSError as error:
            raise UnreachableError(
                f"Syslog cannot be reached: {error}.", seen=str(address), hint=f"see {AUDIT_ANCHOR.name}."
            ) from error

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exc_info()[1]
        if error is not None:
            raise error


def open_places(environ: Mapping[str, str] | None, aws: Callable[[], AwsAccess], say: Say | None = None) -> list[Place]:
    """Those that SLIPSTREAM_AUDIT_ANCHOR names. Nothing is asked of them yet. Raises SpecError for what cannot be read.

    `say` writes a line of the log; by default it goes to the process's error stream.
    """
    wanted = AUDIT_ANCHOR.read(environ).replace(",", " ").split()
    return [_place(address, environ, aws, say or _to_stderr) for address in dict.fromkeys(wanted)]


def _place(address: str, environ: Mapping[str, str] | None, aws: Callable[[], AwsAccess], say: Say) -> Place:
    parts = urlsplit(address)
    if parts.scheme == "s3" and parts.netloc:
        opened: Place = adapter("anchor.s3")(address, aws(), _days(environ), environ)
        return opened
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return FilePlace(address, Path(unquote(parts.path)))
    if parts.scheme == "syslog" and (parts.netloc or parts.path):
        return SyslogPlace(address, (parts.hostname, _port(address) or 514) if parts.hostname else parts.path)
    if address in ("log", "log:"):
        return LogPlace("log:", say)
    raise SpecError(f"{AUDIT_ANCHOR.name} names a place that is none.", seen=address, hint=f"write {FORMS}.")


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port
    except ValueError:
        raise SpecError(f"{AUDIT_ANCHOR.name} has a port that is none.", seen=address, hint=f"write {FORMS}.") from None


def _days(environ: Mapping[str, str] | None) -> int:
    given = AUDIT_ANCHOR_DAYS.read(environ)
    if not given.isdecimal() or not 1 <= int(given) <= 36_500:
        raise SpecError(f"{AUDIT_ANCHOR_DAYS.name} is no number of days.", seen=given, hint="set it to 1 to 36500, or not.")
    return int(given)


def _object(line: bytes) -> object:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value.get(FIELD) if isinstance(value, dict) else None


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
