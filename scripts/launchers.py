"""The commands of `[project.scripts]`, as launchers in an environment: `python launchers.py [FOLDER]`, by default .venv/bin.

A launcher puts the checkout on the path of its own process alone. An editable install would put it on the path of every process
of the environment: of an Airflow that runs a copy of the project, too.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAUNCHER = """\
#!{python}
import sys

sys.path.insert(0, {root!r})
from {module} import {function}

sys.exit({function}())
"""


def commands(root: Path = ROOT) -> dict[str, str]:
    """Name to "module:function", as pyproject.toml has them."""
    declared: dict[str, str] = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    return declared


def write(folder: Path, python: Path, root: Path = ROOT) -> list[Path]:
    """One executable launcher a command, run by `python` from any working folder."""
    written = []
    for name, target in commands(root).items():
        module, _, function = target.partition(":")
        launcher = folder / name
        launcher.write_text(LAUNCHER.format(python=python, root=str(root), module=module, function=function))
        launcher.chmod(0o755)
        written.append(launcher)
    return written


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT / ".venv" / "bin"
    write(target, target / "python")
