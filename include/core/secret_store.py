"""Connections in Airflow's secrets backend, for a process without Airflow: the gateway, the `slipstream` command, a job.

Airflow's own two variables say which backend; the vendors behind it are adapters. What was read is kept for
SLIPSTREAM_SECRETS_SECONDS, so that a secret that is rotated is seen by a running process within that time. A backend that we do
not know serves Airflow's tasks alone, as before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import Protocol

from include.core.adapters import ADAPTERS, adapter
from include.core.environment_aws import SECRETS_BACKEND, SECRETS_KWARGS, SECRETS_SECONDS
from include.core.errors import SpecError

REMEMBERED = 1000  # texts that are hidden in logs


class SecretStore(Protocol):
    def connection(self, conn_id: str) -> str | None:
        """The connection as Airflow writes it, a URI or JSON; None where there is no such secret.

        Raises UnreachableError where the store does not answer, PermanentError where it refuses: never None then.
        """


class KeptSecrets:
    """What a store said, for so many seconds. Safe to use from several threads; one of them asks, the others wait for it."""

    def __init__(self, store: SecretStore, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.seconds, self._store, self._clock = seconds, store, clock
        self._lock = Lock()
        self._kept: dict[str, tuple[float, str | None]] = {}

    def connection(self, conn_id: str) -> str | None:
        with self._lock:
            at, text = self._kept.get(conn_id, (0.0, None))
            if conn_id in self._kept and self._clock() - at < self.seconds:
                return text
            text = self._store.connection(conn_id)
            self._kept[conn_id] = self._clock(), text
        if text:
            _remember(text)
        return text


def opened(environ: Mapping[str, str] | None = None) -> KeptSecrets | None:
    """The store that an environment names, by default this process's; None where it names none, or one that only Airflow knows.

    Raises SpecError for settings that cannot be read.
    """
    name = SECRETS_BACKEND.read(environ)
    if f"secrets.{name}" not in ADAPTERS:
        return None
    seconds = _seconds(environ)
    whole = os.environ if environ is None else environ
    cloud = tuple(sorted((key, value) for key, value in whole.items() if key.startswith("AWS_")))
    # Connections that are kept open belong to the process that opened them, not to its forks.
    of = (os.getpid(), name, SECRETS_KWARGS.read(environ), seconds, cloud)
    with _Opened.lock:
        if of not in _Opened.stores:
            opener: Callable[[str, Mapping[str, str] | None], SecretStore] = adapter(f"secrets.{name}")
            _Opened.stores[of] = KeptSecrets(opener(SECRETS_KWARGS.read(environ), environ), seconds)
        return _Opened.stores[of]


def without(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of somebody who was handed what they need: they look nowhere else."""
    return {name: value for name, value in environ.items() if name not in (SECRETS_BACKEND.name, SECRETS_KWARGS.name)}


def texts() -> tuple[str, ...]:
    """The connections that this process has read, and that its logs must not show. Another tuple once there are more."""
    return _Read.texts


class _Opened:
    lock = Lock()
    stores: dict[tuple[object, ...], KeptSecrets] = {}  # noqa: RUF012 - of the process


class _Read:
    texts: tuple[str, ...] = ()


def _remember(text: str) -> None:
    if text not in _Read.texts:
        _Read.texts = (*_Read.texts[-REMEMBERED:], text)


def _seconds(environ: Mapping[str, str] | None) -> float:
    given = SECRETS_SECONDS.read(environ)
    try:
        return max(0.0, float(given))
    except ValueError:
        raise SpecError(
            f"{SECRETS_SECONDS.name} is no number of seconds.", seen=given, hint="set it to a number, or not."
        ) from None
