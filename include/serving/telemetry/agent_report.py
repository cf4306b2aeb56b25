"""What a gateway's agent says of itself: a small file in the home, which the gateway's metrics page reads."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from include.core.errors import NotReadyError
from include.core.spec import ModelSpec
from include.serving.telemetry.exposition import Sample
from include.serving.telemetry.health import AGENT_AGE, AGENT_DONE, AGENT_FAILED, Source

FILE = "agent.json"


@dataclass
class Count:
    """Of one duty, over the life of the home."""

    done: int = 0
    failed: int = 0
    last: float = 0.0
    """When it was last done, Unix time."""
    error: str = ""
    """What the last failure said; empty since it was done again."""


class Report:
    """Counts by duty. `done` and `failed` may be called by several threads, `write` by one."""

    def __init__(self, home: Path) -> None:
        self._file, self._lock = home / FILE, threading.Lock()
        self.counts = read_report(home)[1]

    def done(self, duty: str) -> None:
        with self._lock:
            count = self.counts.setdefault(duty, Count())
            count.done, count.last, count.error = count.done + 1, time.time(), ""

    def failed(self, duty: str, error: str) -> None:
        with self._lock:
            count = self.counts.setdefault(duty, Count())
            count.failed, count.error = count.failed + 1, error

    def write(self) -> None:
        """A disk that takes no more loses the report and nothing else; it is not synced, for it is written again at once."""
        with self._lock:
            text = json.dumps({"at": time.time(), "duties": {name: asdict(count) for name, count in self.counts.items()}})
        draft = self._file.with_name(f".{FILE}")
        with contextlib.suppress(OSError):
            draft.write_text(text)
            os.replace(draft, self._file)


def read_report(home: Path) -> tuple[float, dict[str, Count]]:
    """When it was written, Unix time, and the counts by duty; 0 and none where there is none that can be read."""
    try:
        found = json.loads((home / FILE).read_text())
        return float(found["at"]), {str(name): _count(given) for name, given in found["duties"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0, {}


def _count(given: dict[str, Any]) -> Count:
    """Of a report of whatever release: fields that this one does not know are passed over."""
    return Count(**{each.name: given[each.name] for each in fields(Count) if each.name in given})


def agent_source(home: Path) -> Source:
    """The agent's lines, which are the same for every model. Raises NotReadyError before its first report."""

    def source(spec: ModelSpec) -> Iterable[Sample]:
        del spec
        at, counts = read_report(home)
        if not at:
            raise NotReadyError("The gateway's agent has not reported yet.", hint="it does within seconds of its start.")
        yield AGENT_AGE.name, (), max(0.0, time.time() - at)
        for name, count in counts.items():
            yield AGENT_DONE.name, (name,), float(count.done)
            yield AGENT_FAILED.name, (name,), float(count.failed)

    return source
