"""The environment variables of governance: a part of the list that is include/core/environment.py."""

from __future__ import annotations

from include.core.variable import named

AUDIT_ANCHOR = named(
    "AUDIT_ANCHOR", "addresses",
    "Where the head of the audit chain is written that the control store's owner cannot rewrite, with spaces between: "
    "`s3://bucket/prefix` of a bucket with Object Lock, `file:///path` of a file that is only appended to, "
    "`syslog://host:514`, `syslog:///dev/log`, `log:` for a line of the process's log. Empty: nowhere.",
)  # fmt: skip
AUDIT_ANCHOR_DAYS = named(
    "AUDIT_ANCHOR_DAYS", "days",
    "How long an anchor on S3 is locked, where the bucket has no retention of its own.", "400",
)  # fmt: skip

PROFILE = named(
    "PROFILE", "name", "The least that a model's `profile` may be: `standard` or `regulated`. A spec with less is not loaded.",
    "standard",
)  # fmt: skip

GROUP = (PROFILE, AUDIT_ANCHOR, AUDIT_ANCHOR_DAYS)
