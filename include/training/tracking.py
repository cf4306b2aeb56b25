"""The port of live tracking: a training's metrics, shown by the registry's server while it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from include.core.adapters import ADAPTERS, adapter
from include.core.settings import Settings
from include.core.storage import Storage

Opener = Callable[[Settings, Storage, str, str], AbstractContextManager[None]]


def tracked(
    settings: Settings, storage: Storage, folder: str, model: str, what: str = "tracking"
) -> AbstractContextManager[None]:
    """Delivers the spool in `folder` of the storage while the body runs, where the registry's server can take it.

    The body never waits for the server, and never fails for it. What was not taken, registration delivers. `what`: the port,
    "search" for the spools of a search and its trials.
    """
    name = f"{what}.{settings.registry}"
    if name not in ADAPTERS:
        return nullcontext()
    opener: Opener = adapter(name)
    return opener(settings, storage, folder, model)
