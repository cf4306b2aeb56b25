"""A gateway's sign of life: what it serves is written to the control store as soon as it changes, and every few seconds anyway.

Of several workers one writes, the first that is ready and was seen lately: the switch knows what all ready workers follow. It is
a thread of the worker and not of another process, so that a worker that hangs or was stopped says nothing. It looks at the switch
ten times a second, which is a few microseconds, and writes once a second at most.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from include.core.errors import one_line
from include.routing.gateways import Report
from include.serving.models.deployment_manager import DeploymentManager
from include.serving.recurring import Recurring

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.1
CHANGED_SECONDS = 1.0  # between two reports, where something has changed
BEAT_SECONDS = 3.0  # and where nothing has
LEAVE_SECONDS = 3.0  # to remove the row at the end
FORGET_SECONDS = 3600.0  # between two times that rows of gateways which are long gone are removed


class Heartbeat(Recurring):
    """`write` reports to the control store, `leave` removes this gateway's row, `forget` those of others that are long gone."""

    def __init__(
        self,
        manager: DeploymentManager,
        write: Callable[[Report], None],
        leave: Callable[[], None],
        forget: Callable[[], None],
    ) -> None:
        self._manager, self._write, self._leave, self._forget = manager, write, leave, forget
        self._said: Report | None = None
        self._said_at = self._forgot_at = -math.inf
        self._failure = ""
        super().__init__("heartbeat", lambda: self.look(time.monotonic()), LOOK_SECONDS, delay=LOOK_SECONDS)

    def stop(self) -> None:
        """The worker ends. The last one takes the gateway's row with it."""
        super().stop()
        switch = self._manager.switch
        spoke = switch.joined
        switch.leave()
        if spoke and switch.alone:  # a store that hangs does not hold up the end
            leaving = threading.Thread(target=self._try, args=(self._leave,), name="leaving", daemon=True)
            leaving.start()
            leaving.join(timeout=LEAVE_SECONDS)

    def look(self, now: float) -> None:
        """Report if it is time to."""
        if not self._manager.switch.speaks:
            self._said = None  # who speaks again says everything anew
            return
        report = self._manager.report()
        if now < self._said_at + (BEAT_SECONDS if report == self._said else CHANGED_SECONDS):
            return
        self._said_at = now
        self._said = report if self._try(lambda: self._write(report)) else None
        if self._said is not None and now >= self._forgot_at + FORGET_SECONDS:
            self._forgot_at = now
            self._try(self._forget)

    def _try(self, act: Callable[[], None]) -> bool:
        """The store may be away: then others take this gateway for silent, and it goes on serving the routes it has."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever a database does, the worker goes on
            if (reason := one_line(error)) != self._failure:
                log.warning("this gateway could not report itself: %s", reason)
            self._failure = reason
            return False
        self._failure = ""
        return True
