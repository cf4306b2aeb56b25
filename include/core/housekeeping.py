"""Clearing away: worth trying, never worth failing work that is done."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from include.core.errors import SlipstreamError, one_line

log = logging.getLogger(__name__)


@contextmanager
def housekeeping(what: str) -> Iterator[None]:
    """Let the body clear away `what`; where a store or a disk refuses, say so in the log and go on."""
    try:
        yield
    except (SlipstreamError, OSError) as error:
        log.warning("%s: not cleared away, which costs room and nothing else: %s", what, one_line(error))
