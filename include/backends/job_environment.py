"""What of the settings a job is given, whichever backend runs it. It holds no secret.

The logins of the storage and of MLflow come by connection, from the environment of the place where the job runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.core import environment_aws
from include.core.environment import CA_BUNDLE, SETTINGS, TOLD
from include.core.settings import Settings


def environment(settings: Settings, without: Iterable[str] = ()) -> dict[str, str]:
    """The settings as a job's environment; `without` names fields that mean nothing where the job runs, or `authorities`."""
    return dict(_fields(settings, frozenset(without)))


def _fields(settings: Settings, without: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name, variable in SETTINGS.items():
        value = str(getattr(settings, name))
        if variable.jobs and value and name not in without:
            yield variable.name, value
    if "authorities" not in without and (path := CA_BUNDLE.read(settings.environ)):  # there on the job's machine, too
        yield CA_BUNDLE.name, path
    for variable in (*TOLD, *environment_aws.TOLD):
        if variable.is_set(settings.environ):
            yield variable.name, variable.read(settings.environ)
