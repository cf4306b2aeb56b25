"""What a shipper says of itself: a small file in the home, which the gateway's metrics page reads.

Where shipping goes on after a restart, the root says, never this.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE = "log-shipping.json"


@dataclass(frozen=True)
class Backlog:
    """What of a model's log is on this disk alone."""

    bytes: int = 0
    since: float = 0.0
    """Unix time since which the oldest of them have waited; 0 where nothing waits."""

    def and_also(self, size: int, since: float) -> Backlog:
        return Backlog(self.bytes + size, min(self.since or since, since))


@dataclass
class Counts:
    """Over the life of the home."""

    shipped_bytes: int = 0
    dropped_bytes: int = 0
    dropped_lines: int = 0


@dataclass(frozen=True)
class Shipping:
    """Of one model."""

    backlog: Backlog
    counts: Counts
    places: Mapping[str, int]
    """By segment: how many of its bytes were in the root."""


class ShippingState:
    """For one shipper."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE
        known = read_shipping(home)
        self._counts = {model: shipping.counts for model, shipping in known.items()}
        self._places = {model: dict(shipping.places) for model, shipping in known.items()}

    def place(self, model: str, segment: str) -> int:
        """Bytes of a segment that were in the root when it last answered; 0 where that is not known."""
        return self._places.get(model, {}).get(segment, 0)

    def shipped(self, model: str, size: int) -> None:
        self._of(model).shipped_bytes += size

    def dropped(self, model: str, size: int, lines: int) -> None:
        counts = self._of(model)
        counts.dropped_bytes += size
        counts.dropped_lines += lines

    def write(self, backlogs: Mapping[str, Backlog], places: Mapping[str, Mapping[str, int]]) -> None:
        """A disk that takes no more loses the file's news and nothing else."""
        self._places.update({model: dict(known) for model, known in places.items()})
        models = {
            model: {
                "backlog": asdict(backlog), "counts": asdict(self._of(model)), "places": self._places.get(model, {}),
            }
            for model, backlog in backlogs.items()
        }  # fmt: skip
        draft = self._file.with_name(f".{FILE}")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps({"models": models}))
            os.replace(draft, self._file)

    def _of(self, model: str) -> Counts:
        return self._counts.setdefault(model, Counts())


def read_shipping(home: Path) -> dict[str, Shipping]:
    """By model; none where nothing can be read. Fields of a later release are passed over."""
    try:
        found = json.loads((home / FILE).read_text())["models"]
        return {
            model: Shipping(_backlog(given["backlog"]), _counts(given["counts"]), dict(given.get("places", {})))
            for model, given in found.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _backlog(given: Mapping[str, float]) -> Backlog:
    return Backlog(int(given.get("bytes", 0)), float(given.get("since", 0.0)))


def _counts(given: Mapping[str, int]) -> Counts:
    return Counts(**{each.name: int(given[each.name]) for each in fields(Counts) if each.name in given})
