"""The cgroup of this process: how much memory it may have, and how often the kernel has killed in it for want of memory.

Both versions of cgroups are read. In a container the folders show the container's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
SELF = Path("/proc/self/cgroup")
_NONE = 1 << 60  # version 1 says a number about as large for "no limit"


def limit() -> int:
    """Bytes of memory: the least limit of its cgroup and of those above. 0: there is none, or it cannot be read."""
    found = []
    for folder in _folders():
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit() and int(text) < _NONE:
                found.append(int(text))
    return min(found, default=0)


@dataclass(frozen=True)
class OomKills:
    """How many processes the kernel had killed for want of memory, and the file that counts them on this machine."""

    file: Path
    count: int

    def since(self) -> int:
        """How many it has killed since."""
        now = _count(self.file)
        return 0 if now is None else max(0, now - self.count)


def oom_kills() -> OomKills | None:
    """Of the cgroup of this process, and of those below it; None: it does not say."""
    for folder in _folders():
        for name in ("memory.events", "memory.oom_control"):
            if (count := _count(folder / name)) is not None:
                return OomKills(folder / name, count)
    return None


def _count(file: Path) -> int | None:
    for line in _read(file).splitlines():
        word, _, number = line.partition(" ")
        if word == "oom_kill" and number.isdigit():
            return int(number)
    return None


def _folders() -> Iterator[Path]:
    """The folders of the cgroup that limits memory, and of those above it, as far as they are seen from here."""
    for line in _read(SELF).splitlines():
        number, names, path = [*line.split(":", 2), "", ""][:3]
        if number != "0" and "memory" not in names.split(","):
            continue
        top = ROOT / "memory" if "memory" in names.split(",") else ROOT
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            folder = top.joinpath(*parts[:depth])
            if folder.is_dir():
                yield folder


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
