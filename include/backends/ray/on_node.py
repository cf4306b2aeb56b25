"""A job on a node of a Ray cluster elsewhere, once its code was found in order: its folders, its logins, its body.

Ray's workers, which may be on other nodes than the job itself, ask here as well: for the same code, and the same logins.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from include.backends.ray.arrive import AUTHORITIES, BROUGHT, FILES, difference
from include.backends.ray.sealed import node_token, opened
from include.core import code_check, task
from include.core.digest import Code
from include.core.environment import CA_BUNDLE, HOME, JOB_CODE, JOB_LOGINS, JOB_NAME, JOB_PROJECT
from include.core.errors import JobFailedError
from include.core.private_files import private_folder


def run(module: str, arguments: Sequence[str], package: str) -> int:
    """The body of the job, as `python -m module arguments` would run it. Returns its exit status."""
    _settle(Path(package))
    if module == task.__name__:
        return task.main(list(arguments), environment())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def environment() -> dict[str, str]:
    """This process's environment with the logins that came sealed: a copy, so that no child and no listing of it has them."""
    return {**os.environ, **_logins(JOB_LOGINS.read(), JOB_NAME.read())}


@lru_cache(maxsize=1)
def _logins(envelope: str, job: str) -> dict[str, str]:
    return opened(envelope, job, node_token(os.environ)) if envelope else {}


def require_same_code(code: Code | None) -> None:
    """For a worker of a job: raises JobFailedError where its node has other code than the job's. `code`: of the job's request.

    On a cluster of the submitter's own machine there is one copy of the code, and nothing is looked at.
    """
    digest = JOB_CODE.read()
    if not digest or _Process.code_of == digest:  # once in each process
        return
    package = _package()
    if refused := difference(digest, str(package), JOB_PROJECT.read() or BROUGHT):
        raise JobFailedError(refused)
    _settle(package)
    if code is not None:
        code_check.require_code(code)
    _Process.code_of = digest


class _Process:
    """What this process was found to have: the digest of a package's list."""

    code_of: str = ""


@lru_cache(maxsize=1)
def _package() -> Path:
    """Where Ray has unpacked the job's package on this node: it is on the path, and was the working folder."""
    for folder in (Path.cwd(), *map(Path, sys.path)):
        if (folder / FILES).is_file():
            return folder.absolute()
    return Path.cwd()


def _settle(package: Path) -> None:
    """What the environment cannot say from afar: where certificates lie on this node, and where scratch may be."""
    if (package / AUTHORITIES).is_file():
        os.environ[CA_BUNDLE.name] = str(package / AUTHORITIES)
    if not JOB_PROJECT.read() and not HOME.is_set():  # else in the package, which Ray counts and removes
        os.environ[HOME.name] = str(private_folder(Path(tempfile.gettempdir()) / f"slipstream-{os.getuid()}"))
