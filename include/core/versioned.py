"""JSON that is stored and read back says which version of its format it has.

A `Format` has a name, the version that is written today, and for each earlier version a function that makes the next one of it.
The version is the field `v` of the stored object. What has none was stored before versions were, which is version 1.
What a later release stored is refused: to guess at it could lose what that release knew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from include.core.errors import PermanentError

FIELD: Final = "v"
FIRST: Final = 1
Body = dict[str, Any]  # a JSON object
Upgrade = Callable[[Body], Body]


@dataclass(frozen=True, eq=False)
class Format:
    """`name` is for people, "the route of a model". `upgrades[n]` makes a body of version n + 1 of one of version n."""

    name: str
    version: int = FIRST
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)

    def stamp(self, body: Mapping[str, Any]) -> Body:
        """The body as it is stored today."""
        return {**body, FIELD: self.version}

    def read(self, stored: Mapping[str, Any], where: str = "") -> Body:
        """The body as today's code knows it, without its version. Raises PermanentError for what a later release stored."""
        body = {name: value for name, value in stored.items() if name != FIELD}
        version = self.check(stored.get(FIELD, FIRST), where)
        while version < self.version:
            body = self.upgrades[version](body)
            version += 1
        return body

    def check(self, version: object, where: str = "") -> int:
        """The version, if this code can read it."""
        if isinstance(version, int) and not isinstance(version, bool) and FIRST <= version <= self.version:
            return version
        place = f" at {where}" if where else ""
        raise PermanentError(
            f"{self.name[:1].upper()}{self.name[1:]}{place} has version {version!r} of its format; "
            f"this release reads versions {FIRST} to {self.version}.",
            safe="it was left as it is.",
            hint="a later release wrote it: run that release, or restore the backup that was made before its upgrade.",
        )
