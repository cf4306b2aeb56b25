"""Every fail point of the sources, by name."""

from __future__ import annotations

import re

from include.core.digest import PROJECT

_POINT = re.compile(r"fault\.point\(\"([^\"]+)\"\)")

SOURCES = ("include", "operators")


def in_sources() -> set[str]:
    paths = (path for folder in SOURCES for path in (PROJECT / folder).rglob("*.py"))
    return {name for path in paths for name in _POINT.findall(path.read_text())}
