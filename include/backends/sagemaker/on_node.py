"""A job in its container, once its code was found in order: its home, its logins, its body, and what it died of.

S3 is opened with the execution role, by boto3's own chain. MLflow's login is a secret of Secrets Manager, which the role may
read: it is fetched into a copy of the environment, and stands in no request, no Describe and no child's environment.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from include.core.environment import HOME, connection
from include.core.environment_aws import SAGEMAKER_FOLDER, SAGEMAKER_MLFLOW_SECRET
from include.core.errors import PermanentError, SlipstreamError, one_line
from include.core.private_files import private_folder

TASK = "include.core.task"
MLFLOW = "slipstream_mlflow"
SHOWN = 1024  # bytes that SageMaker shows of a failure


def run(module: str, arguments: Sequence[str]) -> int:
    """The body of the job, as `python -m module arguments` would run it. Returns its exit status, or raises what it raises."""
    if not HOME.is_set() or not _writable(Path(HOME.read())):
        os.environ[HOME.name] = str(private_folder(Path(tempfile.gettempdir()) / "slipstream-home"))
    try:
        return _run(module, list(arguments))
    except (Exception, SystemExit) as error:
        leave(error)
        raise


def _writable(folder: Path) -> bool:
    """Whether the image's user may write there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _run(module: str, arguments: list[str]) -> int:
    if module == TASK:
        from include.core import task

        return task.main(arguments, {**os.environ, **logins()})
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def logins() -> dict[str, str]:
    """The connections that the job is given, by their variables: MLflow's, where a secret is named.

    Raises UnreachableError, and PermanentError where the role may not read it.
    """
    name = SAGEMAKER_MLFLOW_SECRET.read()
    if not name:
        return {}
    import boto3

    from include.backends.aws.errors import reaching

    with reaching(f"the secret {name}", safe="nothing was run.", hint="see SLIPSTREAM_SAGEMAKER_MLFLOW_SECRET."):
        found = boto3.client("secretsmanager").get_secret_value(SecretId=name)
    text = found.get("SecretString", "")
    if not text:
        raise PermanentError(
            f"The secret {name} holds no text.",
            safe="nothing was run.",
            hint="store the connection as Airflow writes it, as a URI or as JSON.",
        )
    return {connection(MLFLOW).name: text}


def leave(error: BaseException) -> None:
    """Where SageMaker reads why a container failed: `failure` of a training job, `message` of a processing job."""
    if isinstance(error, SystemExit) and error.code in (0, None):
        return
    words = one_line(error) if isinstance(error, SlipstreamError) else f"{type(error).__name__}: {one_line(error)}"
    for name in ("failure", "message"):
        try:
            (Path(SAGEMAKER_FOLDER.read()) / "output" / name).write_text(words[:SHOWN])
        except OSError:  # an image's user may have no right to it: the log and the ledger say it as well
            return
