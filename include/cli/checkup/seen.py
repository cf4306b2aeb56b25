"""Whether what is to be seen from outside will be: a slip there is silent, for no work fails for want of its trace."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from include.cli.checkup.finding import Finding, ok, problem
from include.core import logs, tracing
from include.core.environment import LOG_FORMAT, SENTRY_DSN
from include.core.errors import SlipstreamError, one_line


def check_seen() -> Iterator[Finding]:
    """Of traces, reports and the form of logs: what is on, and what of it cannot work."""
    on = []
    if tracing.is_on():
        try:
            tracing.check()
            on.append("traces")
        except SlipstreamError as error:
            yield problem("seen from outside", f"Nothing is traced: {one_line(error.what)} Seen: {error.seen}.", error.hint)
    if SENTRY_DSN.read():
        if find_spec("sentry_sdk") is None:
            yield problem("seen from outside", "SENTRY_DSN is set, and nothing is reported.", "install sentry-sdk here.")
        else:
            on.append("reported errors")
    if (form := LOG_FORMAT.read()) not in (logs.TEXT, logs.JSON):
        yield problem("seen from outside", f"{LOG_FORMAT.name} is {form!r}: no process starts.", f"{logs.TEXT} or {logs.JSON}.")
    elif form == logs.JSON:
        on.append("lines of JSON")
    yield ok("seen from outside", f"On: {', '.join(on)}." if on else "Nothing is sent anywhere (docs/observability.md).")
