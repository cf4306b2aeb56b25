"""Whether this environment has what a model's repository asks for: its `requirements.txt`, in pip's format.

One beside the model folders, or in the folder above them (the repository's root), is for all models of the place; one in a
model's folder is for that model. Nothing is installed by us: the file is only compared with what is there, so that a model whose
libraries are missing, or are of another version, is told before it runs. Files are read again when they change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from include.core import catalog, places
from include.core.errors import SpecError

FILE = "requirements.txt"
_LOCKED_APART = ("torch",)  # its builds have lock files of their own
_PROJECT = Path(__file__).resolve().parents[2]
_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"\s--?[a-z][\w-]*[ =]\S+")  # of one requirement, such as --hash=sha256:...
_INCLUDED = re.compile(r"(?:-r|--requirement)[ =]?\s*(\S+)")
_PATH = re.compile(r"\.{0,2}/|[\w+]+://|[^@\s]*\.(whl|tar\.gz|zip)$")  # where it is from, not what it is called


def require_met(name: str, models: str = "") -> None:
    """Raises SpecError with every requirement of a model that this environment does not meet. Without a file it does nothing."""
    missing = unmet(name, models)
    if missing:
        listed = list(dict.fromkeys(phrase for phrases in missing.values() for phrase in phrases))
        raise SpecError(
            f"The environment lacks what model {name!r} requires: {'; '.join(listed)}.",
            seen=[str(path) for path in missing],
            safe="nothing was computed; the other models are not touched.",
            hint="install it on every machine that runs the model's tasks: "
            f"slipstream requirements --constraints > platform.txt; pip install -r {next(iter(missing))} -c platform.txt",
        )


def unmet(name: str, models: str = "") -> dict[Path, tuple[str, ...]]:
    """By file, the requirements of a model that are not met, in words. Raises SpecError for a line that cannot be read."""
    return {path: phrases for path in files(name, models) if (phrases := unmet_in(path))}


def files(name: str, models: str = "") -> list[Path]:
    """The requirements files of a model: of its place, then its own. None for a model that has no folder."""
    folder = catalog.folder_of(name, models)
    if folder is None:
        return []
    above = [] if places.is_installed(folder) else [folder.parent.parent, folder.parent]  # the platform has a lock of its own
    return [each / FILE for each in (*(root for root in above if root != _PROJECT), folder) if (each / FILE).is_file()]


def unmet_in(path: Path) -> tuple[str, ...]:
    """Of one file. Raises SpecError for a line that cannot be read."""
    return tuple(_unmet(_lines(path, path.stat().st_mtime_ns, ())))


def constraints(lock: Path = _PROJECT / FILE) -> list[str]:
    """The platform's exact versions, as pip's constraints: what is installed beside it must agree with them.

    They are those of its lock; in an image, which has none, those of all that is installed.
    """
    if not lock.is_file():
        return sorted(f"{each.name}=={each.version}" for each in distributions())
    apart = [f"{name}=={version(name)}" for name in _LOCKED_APART if _is_there(name)]
    return sorted(re.findall(r"^[A-Za-z0-9._-]+==[^\s;\\]+", lock.read_text(encoding="utf-8"), re.MULTILINE) + apart)


def _is_there(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _unmet(lines: tuple[tuple[str, str], ...]) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    for where, line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement as error:
            raise SpecError(
                "A line of a requirements file cannot be read.",
                seen=f"{where}: {line}",
                safe="nothing was computed.",
                hint=f"write it as pip reads it, such as lightgbm>=4.6,<5 ({' '.join(str(error).split())})",
            ) from error
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            yield f"{_shown(wanted)} (not installed)"
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield f"{_shown(wanted)} ({found} is installed)"


def _shown(wanted: object) -> str:
    return str(wanted).partition(";")[0].strip()


@lru_cache(maxsize=256)
def _lines(path: Path, mtime_ns: int, above: tuple[Path, ...]) -> tuple[tuple[str, str], ...]:
    """(file:line, requirement), those of the files that it includes among them. Options and addresses are passed over."""
    del mtime_ns
    found: list[tuple[str, str]] = []
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for number, line in enumerate(text.splitlines(), 1):
        stripped = _COMMENT.sub("", line).strip()
        included = _INCLUDED.match(stripped)
        if included and (other := (path.parent / included[1]).resolve()) not in above and other.is_file():
            found += _lines(other, other.stat().st_mtime_ns, (*above, path))
        elif stripped and not stripped.startswith("-") and not _PATH.match(stripped):
            found.append((f"{path}:{number}", _OPTION.sub("", stripped).strip()))
    return tuple(found)
