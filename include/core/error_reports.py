"""Errors reported to a service that collects them: Sentry, where SENTRY_DSN is set. Elsewhere nothing is imported.

Tasks are Airflow's: its own `[sentry]` section reports them, and what it reports is scrubbed here as everything else.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from include.core.adapters import adapter
from include.core.environment import SENTRY_DSN
from include.core.errors import SlipstreamError, one_line

log = logging.getLogger(__name__)


def start(program: str) -> None:
    """Report this process's errors from here on, where that is asked for. Without the library it says so, and goes on."""
    if not SENTRY_DSN.read():
        return
    try:
        begin: Callable[[str], None] = adapter("errors.start")
        begin(program)
    except SlipstreamError as error:
        log.warning("No error of this process is reported: %s", one_line(error))


def report(error: BaseException) -> None:
    """One that is caught here and nowhere logged."""
    if "sentry_sdk" in sys.modules:
        send: Callable[[BaseException], None] = adapter("errors.report")
        send(error)


def scrub_others() -> None:
    """Have what somebody else's reports of this process say scrubbed, too: in a task, Airflow starts the library itself."""
    if "sentry_sdk" in sys.modules:
        scrub: Callable[[], None] = adapter("errors.scrub")
        scrub()
