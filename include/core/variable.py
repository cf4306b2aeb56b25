"""What is said of one environment variable. The list of all of them is include/core/environment.py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "SLIPSTREAM_"


@dataclass(frozen=True)
class Variable:
    name: str
    kind: str
    """What its text is: an address, a folder, a file, a number, seconds, a switch, a name, text."""
    doc: str
    default: str = ""
    derived: str = ""
    """The default in words, where it follows from another variable."""
    store: bool = False
    """It is the address of a store, which may hold a password: only processes that work on the store are given it."""
    jobs: bool = False
    """A job is given it, whichever backend runs the job."""

    def read(self, environ: Mapping[str, str] | None = None) -> str:
        """Its text in this process's environment, or in the one given; the default where it is not set."""
        return (os.environ if environ is None else environ).get(self.name, self.default)

    def is_set(self, environ: Mapping[str, str] | None = None) -> bool:
        return self.name in (os.environ if environ is None else environ)

    def is_on(self, environ: Mapping[str, str] | None = None) -> bool:
        """For a switch of somebody else's: "true" or "1"."""
        return self.read(environ).lower() in ("true", "1")


def named(name: str, kind: str, doc: str, default: str = "", **more: bool | str) -> Variable:
    return Variable(PREFIX + name, kind, doc, default, **more)  # type: ignore[arg-type]
