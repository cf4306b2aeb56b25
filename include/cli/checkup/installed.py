"""Whether this environment is what the locks say, and which programs of the system are there."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.core.digest import PROJECT

SHOWN = 5
PYTHON = (3, 11)
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)(?P<marker> *;[^\\]*)?", re.MULTILINE)
_LOCKS = re.compile(r"^locks=\((?P<patterns>.*)\)$", re.MULTILINE)

# Programs by the package of Debian that has them, and what asks for them. Without one, that part alone does not work.
PROGRAMS: Mapping[str, tuple[str, str]] = {
    "make": ("make", "every `make` command"),
    "cc": ("gcc", "`make setup` where a package has no wheel"),
    "git": ("git", "the commit in a version's lineage"),
    "chromedriver": ("chromium chromium-driver", "the tests in a browser"),
    "promtool": ("prometheus", "the tests of the alert rules"),
    "redis-server": ("redis-server", "an online store in Redis, and the gateway's benchmark"),
    "wrk": ("wrk", "the gateway's benchmark"),
}


def check_python() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == PYTHON:
        yield ok("python", f"{found} in {sys.prefix}.")
    else:
        yield problem(
            "python", f"{found} in {sys.prefix}: Slipstream is for Python 3.11.", "make setup PYTHON=/path/to/python3.11"
        )


def check_packages(project: Path = PROJECT, folders: list[str] | None = None) -> Iterator[Finding]:
    """The installed versions, by the names of their folders, against those of the locks."""
    locked = {**pinned(project / "requirements.txt"), **_torch(project)}
    if not locked:
        yield warning("packages", f"there is no lock in {project}.", "run the command from a whole checkout.")
        return
    found = installed(sys.path if folders is None else folders)
    others = [f"{name} {found.get(name, 'is missing')}, locked {' or '.join(sorted(versions))}"
              for name, versions in sorted(locked.items()) if found.get(name) not in versions]  # fmt: skip
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        yield problem(
            "packages", f"{len(others)} of {len(locked)} are not as locked: {'; '.join(others[:SHOWN])}{more}.", "make setup"
        )
    else:
        yield ok("packages", f"all {len(locked)} are as locked.")


def check_stamp(project: Path = PROJECT, prefix: Path | None = None) -> Iterator[Finding]:
    """Whether `make setup` would make the environment anew: its stamp against the files that it is made from."""
    script, stamp = project / "scripts" / "setup.sh", (prefix or Path(sys.prefix)) / ".locked"
    if not script.is_file():
        yield ok("set-up", "this environment was made without scripts/setup.sh, as in an image.")
        return
    wanted = _stamp(project, script.read_text())
    if not stamp.is_file():
        yield warning("set-up", f"{stamp.parent} was not made by `make setup`, or not to its end.", "make setup")
    elif stamp.read_text().split()[:1] != [wanted]:
        yield warning("set-up", "the locks have changed since this environment was made.", "make setup")
    else:
        yield ok("set-up", "this environment is made from the locks as they are.")


def check_programs() -> Iterator[Finding]:
    """One line for those that are there; one for each that is not, with what goes without it."""
    there = [program for program in PROGRAMS if shutil.which(program)]
    yield ok("programs", f"{', '.join(there) or 'none'}.")
    for program, (package, use) in PROGRAMS.items():
        if program not in there:
            yield ok("programs", f"{program} is not installed (Debian: {package}); only {use} needs it.")


def pinned(lock: Path) -> dict[str, set[str]]:
    """The versions of a lock by name, without those of other platforms. Empty where there is no such file."""
    try:
        text = lock.read_text()
    except OSError:
        return {}
    return {_name(each["name"]): {each["version"]} for each in _PINNED.finditer(text) if _applies(each["marker"] or "")}


def installed(folders: list[str]) -> dict[str, str]:
    """The version of each package, by name. What comes first on the path counts."""
    found: dict[str, str] = {}
    for folder in folders:
        for info in sorted(Path(folder or ".").glob("*.dist-info")):
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            found.setdefault(_name(name), version)
    return found


def _torch(project: Path) -> dict[str, set[str]]:
    """One of its two builds is installed."""
    cpu, default = (pinned(project / "requirements" / f"torch-{build}.txt") for build in ("cpu", "default"))
    return {name: versions | default.get(name, set()) for name, versions in cpu.items()}


def _applies(marker: str) -> bool:
    text = marker.strip(" ;")
    if not text:
        return True
    from packaging.markers import Marker

    return bool(Marker(text).evaluate())


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _stamp(project: Path, script: str) -> str:
    """As scripts/setup.sh makes it: the digest of what `sha256sum` prints of its files."""
    patterns = _LOCKS.search(script)
    files = [path for pattern in (patterns["patterns"].split() if patterns else ()) for path in _glob(project, pattern)]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(project)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _glob(project: Path, pattern: str) -> list[Path]:
    return sorted(project.glob(pattern))
