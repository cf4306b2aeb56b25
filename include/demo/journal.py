"""The demo's journal: what happened when, and which phases are done. A second run reads it and reuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from include.core.private_files import write_private
from include.core.time import now
from include.demo.progress import Progress


@dataclass
class Journal:
    """Kept in one file, replaced whole after every entry: an interrupted demo goes on where it was."""

    path: Path
    seconds: dict[str, float] = field(default_factory=dict)  # by phase
    done: list[str] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # numbers the account needs
    progress: Progress | None = None  # what shows it to whoever is watching

    @classmethod
    def load(cls, path: Path) -> Self:
        if not path.exists():
            return cls(path)
        kept = json.loads(path.read_text())
        return cls(path, kept["seconds"], kept["done"], kept["events"], kept["facts"])

    def save(self) -> None:
        kept = {name: getattr(self, name) for name in ("seconds", "done", "events", "facts")}
        write_private(self.path, json.dumps(kept, indent=1))

    def print_line(self, text: str) -> None:
        """A line for whoever is watching."""
        if self.progress:
            self.progress.line(text)
        else:
            print(text, flush=True)

    def reach(self, share: float, words: str = "") -> None:
        """How much of the phase is done (0 to 1), and what it does now."""
        if self.progress:
            self.progress.reach(share, words)

    def record(self, when: str, what: str) -> None:
        """Something that belongs in the account: `when` is the day in the flights' own time."""
        self.events.append({"at": now().isoformat(timespec="seconds"), "when": when, "what": what})
        self.save()
        self.print_line(f"{when}: {what}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times a phase; it is done when it ends without an error."""
        started, before = time.monotonic(), self.seconds.get(name, 0.0)
        if self.progress:
            self.progress.begin(name)
        try:
            yield
            self.done.append(name)
        finally:
            self.seconds[name] = round(before + time.monotonic() - started, 1)
            self.save()
        if self.progress:
            self.progress.end(name, self.seconds[name])

    def is_done(self, name: str) -> bool:
        if name in self.done:
            self.print_line(f"{name}: done by an earlier demo, reused ({self.seconds.get(name, 0):.0f} s then)")
        return name in self.done
