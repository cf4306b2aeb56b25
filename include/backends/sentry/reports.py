"""Sentry's SDK in a process of ours. It reads SENTRY_DSN, SENTRY_ENVIRONMENT and SENTRY_RELEASE itself."""

from __future__ import annotations

from typing import Any

from include.backends.sentry.scrub import Scrubber
from include.core.errors import SpecError


def start(program: str, **more: Any) -> None:
    """Report from here on what is logged as an error and what ends this process. `more`: options of the SDK, for tests.

    Raises SpecError where the library is absent.
    """
    try:
        import sentry_sdk
    except ImportError as error:
        raise SpecError(
            "SENTRY_DSN is set, and the library that reports to it is not installed.",
            safe="this process works, and reports nothing.",
            hint="install sentry-sdk in this environment, or unset SENTRY_DSN.",
        ) from error
    # Nothing that only profits from data: no values of variables, no bodies, no breadcrumbs, no instrumentation of libraries.
    sentry_sdk.init(
        before_send=Scrubber(),
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_enabling_integrations=False,
        traces_sample_rate=None,
        **more,
    )
    sentry_sdk.set_tag("slipstream.program", program)


def report(error: BaseException) -> None:
    import sentry_sdk

    sentry_sdk.capture_exception(error)
