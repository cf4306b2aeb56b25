"""What an installed package would bring into an environment: `python launchers.py [FOLDER]`, by default .venv/bin.

The commands of `[project.scripts]`, as launchers. A launcher puts the checkout on the path of its own process alone. An editable
install would put it on the path of every process of the environment: of an Airflow that runs a copy of the project, too.

And the entry point by which Airflow finds the connection types (operators/provider_info.py). An Airflow that has no Slipstream on
its path is told of none: an entry point that cannot be loaded would keep that Airflow from starting.
"""

from __future__ import annotations

import shutil
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

PROVIDER = """\
def get_provider_info():
    try:
        from operators.provider_info import get_provider_info as info
    except ImportError:  # the project is not on this process's path
        return {{"package-name": "{name}", "name": "Slipstream", "description": "Not on this process's path."}}
    return info()
"""
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: Connection types of the project in {root}\n"
ENTRY_POINTS = "[apache_airflow_provider]\nprovider_info = slipstream_provider:get_provider_info\n"
OURS = "scripts/launchers.py\n"


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


def register_provider(packages: Path, root: Path = ROOT) -> Path:
    """The entry point, in a site-packages folder. Returns its folder; one of an earlier version is replaced.

    A package that an installer has put there brings its own, and is left as it is.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    named = {"name": project["name"], "version": project["version"], "root": root}
    for earlier in packages.glob(f"{project['name']}-*.dist-info"):
        if (earlier / "INSTALLER").read_text() != OURS:
            return earlier
        shutil.rmtree(earlier)
    (packages / "slipstream_provider.py").write_text(PROVIDER.format(**named))
    folder = packages / f"{project['name']}-{project['version']}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA.format(**named))
    (folder / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "INSTALLER").write_text(OURS)
    files = [
        "slipstream_provider.py",
        *(f"{folder.name}/{name}" for name in ("METADATA", "entry_points.txt", "INSTALLER", "RECORD")),
    ]
    (folder / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    return folder


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT / ".venv" / "bin"
    write(target, target / "python")
    for found in (target.parent / "lib").glob("python3*/site-packages"):
        register_provider(found)
