"""A job's name on SageMaker: the attempt's own, after the environment's prefix, within AWS's limits.

Of one attempt it is always the same: that is what makes a job be there once. One that would be too long, or has a character that
AWS does not take, keeps its beginning and has a digest of the whole at its end.
"""

from __future__ import annotations

import re

from include.core.digest import digest_bytes
from include.core.errors import SpecError

LONGEST = 63
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
PREFIX = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,15}-?")
_DIGEST = 12
SCORES = "slip-score-"  # attempts of the step `score` begin so


def job_name(name: str, prefix: str = "") -> str:
    """SageMaker's name for our job of that name."""
    whole = f"{prefix}{name}"
    if len(whole) <= LONGEST and NAME.fullmatch(whole):
        return whole
    kept = re.sub(r"[^a-zA-Z0-9]+", "-", whole)[: LONGEST - _DIGEST - 1].strip("-")
    return f"{kept or 'job'}-{digest_bytes(whole.encode())[:_DIGEST]}"


def checked_prefix(prefix: str) -> str:
    """Raises SpecError for one that would make no name."""
    if prefix and not PREFIX.fullmatch(prefix):
        raise SpecError(
            "SLIPSTREAM_SAGEMAKER_PREFIX cannot begin a job's name on SageMaker.",
            seen=prefix,
            safe="no job was started.",
            hint="use up to 17 letters, digits and hyphens, beginning with a letter or a digit: staging-",
        )
    return prefix
