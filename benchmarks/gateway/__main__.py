"""The gateway, measured: python -m benchmarks.gateway [closed] [open] [overload] [shadow] [switch] [rollback] [peers] [remote]
[record]

Every section says its goals beside what was measured, and the command fails where one was missed. Measure on a
quiet machine: the generator and the server each want a core.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.table import Table
from tests.support import programs

SECTIONS = ("closed", "open", "overload", "shadow", "switch", "rollback", "peers", "remote", "record")
MODULES = {name: f"benchmarks.gateway.{name}" for name in SECTIONS} | {"open": "benchmarks.gateway.opened"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gateway")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help=f"default: all of {' '.join(SECTIONS)}")
    sections = parser.parse_args().sections or SECTIONS
    programs.require(*(MODULES[section] for section in sections))
    table = Table()
    for section in sections:
        home = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
        try:
            import_module(MODULES[section]).run(table, home)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    print(f"\nmissed: {'; '.join(table.missed)}" if table.missed else "\nmet")
    return int(bool(table.missed))


if __name__ == "__main__":
    sys.exit(main())
