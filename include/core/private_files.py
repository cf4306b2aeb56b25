"""Files of ours that only their owner may read, whatever the mask of whoever started the process."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from include.core.errors import ConflictError

MASK = 0o077  # what others are not given
# Below the home: what other accounts own (the database's, under root) and what they must pass through is not ours to close.
FOREIGN = frozenset({"postgres"})
# The gateway refuses to start where others may read its tokens: a person should know, and make new ones.
JUDGED = frozenset({"gateway-tokens.json"})


def set_mask() -> None:
    """Everything this process makes from now on is its owner's alone. Said at the start of each program of ours."""
    os.umask(MASK)


def private_folder(path: Path) -> Path:
    """A folder that we own and only we may open, made if it is not there.

    Raises ConflictError where somebody else was first: in a shared temporary directory its name can be guessed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConflictError(
            f"{path} is not a folder of ours.",
            seen=f"owner {found.st_uid}, {stat.filemode(found.st_mode)}",
            safe="nothing was written there.",
            hint="remove it (its owner, or root, can), then start again.",
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def private_file(path: str | Path) -> None:
    """Make an empty file that only its owner may read, where there is none. What is there is left as it is."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read (0600 from its first byte on). It is whole at every instant."""
    os.replace(_draft(path, text), path)


def kept_secret(path: Path, generate: Callable[[], str]) -> str:
    """The file's text, made if it is not there. Two that begin at once agree: it appears whole, exactly once."""
    if not path.exists():
        draft = _draft(path, generate())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other one was first
        finally:
            draft.unlink()
    return path.read_text()


def _draft(path: Path, text: str) -> Path:
    """A file beside it, under a name of its own."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def tighten(home: Path, *others: Path) -> list[str]:
    """Take from others what earlier versions gave them: on the home, on what lies directly in it, and on other folders of ours.

    Returns a line for each mode that was changed. Under root the search permission on the home stays: the database runs as
    another account, and has to pass through.
    """
    changed = []
    for path, mode, allowed in _modes(home, (home, *_entries(home), *others)):
        path.chmod(allowed)
        changed.append(f"{path}: was {mode:04o}, is {allowed:04o} now: others may not read it")
    return changed


def open_to_others(home: Path, *judged: Path) -> list[tuple[Path, int]]:
    """What `tighten` would change, and files that it leaves to a person, with their modes. Nothing is changed."""
    return [(path, mode) for path, mode, _ in _modes(home, (home, *_entries(home), *judged))]


def _modes(home: Path, paths: Iterable[Path]) -> Iterator[tuple[Path, int, int]]:
    """(path, mode, mode that it may have) of each of ours that gives others more than it may."""
    passing = stat.S_IXOTH if os.geteuid() == 0 else 0
    for path in paths:
        try:
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
            continue
        mode = stat.S_IMODE(found.st_mode)
        allowed = mode & ~(MASK & ~passing) if path == home else mode & ~MASK
        if mode != allowed:
            yield path, mode, allowed


def _entries(home: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(path for path in home.iterdir() if path.name not in FOREIGN | JUDGED)
