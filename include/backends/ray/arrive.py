"""The first thing that runs of a job on a Ray cluster elsewhere: is the code there the code of whoever submitted it?

    python slipstream_job.py DIGEST PROJECT MODULE ARGUMENTS...

This file lies in the job's package under that name, beside a list of files with the digest of each; DIGEST is of the list, and
comes with the job's request. Only if every file matches is anything of ours imported. So this imports the standard library alone,
and running the job is its last statement: a copy of it that was cut off runs nothing.

PROJECT is where the code is in the nodes' image; "-": it is in the package, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from importlib import import_module

SCRIPT = "slipstream_job.py"  # this file's name in a package
FILES = "slipstream_files.json"  # the list: {"format", "python", "package": {path: digest}, "project": {path: digest}}
AUTHORITIES = "slipstream_authorities.pem"  # the submitter's SLIPSTREAM_CA_BUNDLE
FORMAT = 1
BROUGHT = "-"
_NAMED = 8  # files that a message shows


def difference(digest: str, package: str, project: str) -> str:
    """What is not as it was submitted, in words for a person; empty if all is."""
    try:
        with open(os.path.join(package, FILES), "rb") as file:
            text = file.read()
    except OSError as error:
        return _refusal(f"the list of files is not there: {error}", package, project)
    if hashlib.sha256(text).hexdigest() != digest:
        return _refusal("the list of files is another one", package, project)
    listed = json.loads(text)
    if listed["python"] != (version := ".".join(platform.python_version_tuple()[:2])):
        return _refusal(f"it was submitted by Python {listed['python']}, and {sys.executable} is {version}", package, project)
    wrong = [
        *_wrong(package, listed["package"]),
        *(_wrong(project, listed["project"]) if project != BROUGHT else ()),
    ]
    if not wrong:
        return ""
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return _refusal(f"{len(wrong)} files differ: {', '.join(wrong[:_NAMED])}{more}", package, project)


def _wrong(folder: str, listed: dict[str, str]) -> list[str]:
    """The files below a folder that are missing, or have other bytes."""
    found = []
    for path, digest in sorted(listed.items()):
        try:
            with open(os.path.join(folder, path), "rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            found.append(f"{path} (missing)")
            continue
        if not same:
            found.append(path)
    return found


def _refusal(what: str, package: str, project: str) -> str:
    """As our errors say it: what happened, the value seen, what is safe, the next command."""
    if project == BROUGHT:
        cure = f"Ray's copy of the package on this node is damaged: remove {package} there, then clear the task"
    else:
        cure = (
            "bring the nodes' image to the release that Airflow runs, or let jobs bring their code "
            "(SLIPSTREAM_RAY_CODE=package); then clear the task"
        )
    return (
        f"The code on this node is not the code that the job was submitted with: {what}.\n"
        f"Seen: {package if project == BROUGHT else project} on {platform.node()}.\n"
        "Safe: nothing was run.\n"
        f"Next: {cure}."
    )


def main(argv: list[str]) -> int:
    digest, project, module, *arguments = argv
    package = os.path.dirname(os.path.abspath(__file__))
    if refused := difference(digest, package, project):
        print(refused, file=sys.stderr, flush=True)
        return 1
    if project != BROUGHT:
        sys.path.insert(0, project)
    try:
        body = import_module("include.backends.ray.on_node")
    except ModuleNotFoundError as error:
        print(
            f"The `python` of this node has not what the platform needs: {error}.\n"
            f"Seen: {sys.executable} on {platform.node()}.\n"
            "Safe: nothing was run.\n"
            "Next: start Ray in an environment with the platform's requirements, first on its PATH; then clear the task.",
            file=sys.stderr,
            flush=True,
        )
        return 1
    status: int = body.run(module, arguments, package)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
