"""The first thing that runs in a job's container: is the code of the image the code of whoever submitted the job?

    python -P .../include/backends/sagemaker/arrive.py DIGEST MODULE ARGUMENTS...

DIGEST is of the list of the platform's modules and their digests, which the submitter makes of its own files by this function.
Only if the image's is the same is anything of ours imported: so this imports the standard library alone, and running the job is
its last statement. The modules of a model are compared afterwards, by the code of the request (include/core/code_check.py).

Without arguments it prints the list: `docker run --rm IMAGE python .../arrive.py` beside the same here shows what differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from importlib import import_module

FORMAT = 1
OUTSIDE = ("include/models/",)  # the request's own digest holds those that count
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def modules(project: str = PROJECT) -> dict[str, str]:
    """The SHA-256 of every module of the platform by its path, sorted."""
    found = {}
    for folder, _, names in os.walk(os.path.join(project, "include")):
        for name in names:
            path = os.path.join(folder, name)
            below = os.path.relpath(path, project).replace(os.sep, "/")
            if name.endswith(".py") and not below.startswith(OUTSIDE):
                with open(path, "rb") as file:
                    found[below] = hashlib.file_digest(file, "sha256").hexdigest()
    return dict(sorted(found.items()))


def version() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def digest(project: str = PROJECT) -> str:
    """Of the list, and of the Python that runs it."""
    listed = {"format": FORMAT, "python": version(), "project": modules(project)}
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def refusal(wanted: str, found: str) -> str:
    """As our errors say it: what happened, the value seen, what is safe, the next command."""
    return (
        "The code of this image is not the code that the job was submitted with.\n"
        f"Seen: {found[:12]} instead of {wanted[:12]}, {PROJECT} with Python {version()}.\n"
        "Safe: nothing was run.\n"
        "Next: build the image from the commit that Airflow runs, push it, set SLIPSTREAM_SAGEMAKER_IMAGE to its digest, and "
        "clear the task. `python include/backends/sagemaker/arrive.py` in both prints the files and their digests."
    )


def main(argv: list[str]) -> int:
    if not argv:
        print("\n".join(f"{each}  {path}" for path, each in modules().items()))
        print(f"{digest()}  all of it, Python {version()}")
        return 0
    wanted, module, *arguments = argv
    if (found := digest()) != wanted:
        print(refusal(wanted, found), file=sys.stderr, flush=True)
        _leave(refusal(wanted, found))
        return 1
    sys.path.insert(0, PROJECT)
    try:
        body = import_module("include.backends.sagemaker.on_node")
    except ModuleNotFoundError as error:
        print(f"The image has not what the platform needs: {error}.\nSafe: nothing was run.", file=sys.stderr, flush=True)
        return 1
    status: int = body.run(module, arguments)
    return status


def _leave(text: str) -> None:
    """Where SageMaker reads why a container failed. `on_node` does the same for what it runs."""
    folder = os.path.join(os.environ.get("SLIPSTREAM_SAGEMAKER_FOLDER", "/opt/ml"), "output")
    try:
        with open(os.path.join(folder, "failure"), "w", encoding="utf-8") as file:
            file.write(text.replace("\n", " "))
    except OSError:  # the log says it as well
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
