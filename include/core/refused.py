"""Writes that were refused, in the audit: who tried what, and why not. One row a minute for each kind, however many come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from include.core.control import ControlStore
from include.core.errors import SlipstreamError
from include.core.time import timestamp

log = logging.getLogger(__name__)
ACTION = "refused"
RESOURCE = "audit/refused"
KINDS = 1000  # remembered here; what is forgotten is recorded once more at most, by the control store's key
LONGEST = 200  # characters of what came from outside


class RefusedWrites:
    """Notes them down; nothing is raised for it, and nothing waits. `control` is called when the first one is to be written."""

    def __init__(self, where: str, control: Callable[[], ControlStore]) -> None:
        self._where, self._control = where, control
        self._noted: dict[str, str] = {}
        self._lock = threading.Lock()

    def note(self, actor: str, route: str, why: str, subject: str = "", detail: str = "") -> threading.Thread | None:
        """`route` and `why` are of ours, few, and make the kind; the others may be anything. Returns the thread that writes."""
        minute, kind = timestamp()[:16], f"{route} {why}"
        with self._lock:
            if self._noted.get(kind) == minute:
                return None
            if len(self._noted) >= KINDS:
                self._noted.clear()
            self._noted[kind] = minute
        row = {"route": route, "why": why, "detail": detail[:LONGEST]}
        writing = threading.Thread(target=self._write, args=(actor, subject or self._where, row, minute), daemon=True)
        writing.start()
        return writing

    def _write(self, actor: str, subject: str, row: dict[str, str], minute: str) -> None:
        key = f"refused/{self._where}/{row['route']} {row['why']}"[:230] + f"/{minute}"
        try:
            control = self._control()
            control.once(key, RESOURCE, 0, lambda connection: _append(control, connection, actor, subject, row))
        except SlipstreamError as error:
            log.warning("A refused write is not in the audit: %s", error)


def _append(control: ControlStore, connection: object, actor: str, subject: str, row: dict[str, str]) -> dict[str, str]:
    control.append_audit(connection, actor[:LONGEST], ACTION, subject[:LONGEST], row)  # type: ignore[arg-type]
    return row
