"""Which commit code is of: of the repository that a folder is in, as git says it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from include.core.digest import PROJECT


@dataclass(frozen=True)
class Commits:
    """Of a model's own code, and of the platform that ran it: the same where the model is in the platform's repository."""

    model: str
    platform: str


def commit_of(folder: Path) -> str:
    """The commit of a working tree: `-dirty` where what is in the folder differs from it.

    Code that git does not know yet counts as a difference: a model's folder that was never added is in no commit.
    Empty where there is no repository, or no git.
    """
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", ".")
    return f"{head}-dirty" if changed else head


def commits_of(folder: Path | None, platform: Path = PROJECT) -> Commits:
    """Of a model's folder and of the platform. None: a model that is in no place; its code is the platform's."""
    own = _top(platform)
    top = own if folder is None else _top(folder)
    if top == own and (folder is None or top or folder.is_relative_to(platform)):
        commit = commit_of(platform)
        return Commits(commit, commit)
    return Commits(_model_commit(folder, top) if folder is not None and top else "", commit_of(platform))


def _model_commit(folder: Path, top: str) -> str:
    """Of the whole repository, for a model may import anything of it. A folder that git ignores is in no commit either."""
    commit = commit_of(Path(top))
    known = _git(folder, "ls-files", "--", ".")
    return commit if known or not commit or commit.endswith("-dirty") else f"{commit}-dirty"


def _top(folder: Path) -> str:
    """The root of the working tree that a folder is in; empty where there is none."""
    return _git(folder, "rev-parse", "--show-toplevel")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):  # an image without git, a working tree that does not answer
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
