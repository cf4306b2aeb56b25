"""Semantic versions of models. Major: the inputs changed, so callers must change. Minor: another way of
making it (code or parameters). Patch: the same recipe on fresh data."""

from __future__ import annotations

from include.versions.record import Lineage, VersionRecord

FIRST = "1.0.0"


def next_version(previous: VersionRecord | None, lineage: Lineage) -> str:
    """The version after `previous` (the model's newest) for something made as `lineage` says."""
    if previous is None:
        return FIRST
    major, minor, patch = parse(previous.semver)
    before = previous.entry.lineage
    if lineage.schema != before.schema:
        return f"{major + 1}.0.0"
    if (lineage.code, lineage.params) != (before.code, before.params):
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def parse(semver: str) -> tuple[int, int, int]:
    major, minor, patch = (int(part) for part in semver.split("."))
    return major, minor, patch
