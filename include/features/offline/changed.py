"""Published days whose views were computed by other definitions than the present ones: SQL, keys, features, ttl, created column.

Nobody makes such days again by themselves: their raw partitions are as they were. A training set that reads both refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from include.core.partition import Partition
from include.core.request import Result

Versions = Mapping[str, str]  # view name to version


@dataclass(frozen=True)
class Changed:
    """A day, and its views of another definition: the version that it was made by, and the present one; empty for none."""

    day: Partition
    views: Mapping[str, tuple[str, str]]

    @property
    def words(self) -> str:
        return "; ".join(_words(name, made, now) for name, (made, now) in sorted(self.views.items()))


def changed_days(days: Mapping[Partition, Result], present: Versions) -> list[Changed]:
    """Oldest first. A day from before versions were recorded is taken as it is."""
    found = {day: _changed(result.value.get("versions"), present) for day, result in sorted(days.items())}
    return [Changed(day, views) for day, views in found.items() if views]


def _changed(made: Versions | None, present: Versions) -> dict[str, tuple[str, str]]:
    if made is None:
        return {}
    names = {**made, **present}
    return {name: (made.get(name, ""), present.get(name, "")) for name in names if made.get(name) != present.get(name)}


def _words(name: str, made: str, now: str) -> str:
    if not made:
        return f"view {name} is new"
    return f"view {name} is version {now} now, was {made}" if now else f"view {name} is gone"
