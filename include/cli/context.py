"""What the commands work on: the same settings as the platform's, found without Airflow."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from include.core.adapters import adapter
from include.core.control import ControlStore
from include.core.errors import NotReadyError
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.local.connections import read_file


@dataclass(frozen=True)
class Desk:
    settings: Settings

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.storage())

    @cached_property
    def control(self) -> ControlStore:
        """The control store. Raises NotReadyError where no platform has ever run, and for one of an earlier release."""
        self.any_control.create_tables()
        return self.any_control

    @cached_property
    def any_control(self) -> ControlStore:
        """The control store of whatever release. Raises NotReadyError where no platform has ever run."""
        store = ControlStore(self.settings.control_url)
        database = store.engine.url.database
        if store.engine.dialect.name == "sqlite" and not Path(database or "").exists():
            raise NotReadyError(
                f"There is no control store at {database}: nothing has run here yet.",
                hint="`make up` starts a platform; SLIPSTREAM_HOME says where another one is.",
            )
        return store

    def labels(self) -> Any:
        """What shows stages in the registry (include/governance/mirror.py)."""
        return adapter(f"labels.{self.settings.registry}")(self.settings, self.control)

    @property
    def control_if_there(self) -> ControlStore | None:
        """The control store, or None where no platform has ever run."""
        try:
            return self.control
        except NotReadyError:
            return None

    @property
    def actor(self) -> str:
        """Who the audit chain names."""
        return f"{getpass.getuser()} (slipstream command)"


def open_desk(environ: Mapping[str, str] | None = None) -> Desk:
    """Settings from the environment, and below them from `<home>/connections.env`."""
    given = dict(os.environ if environ is None else environ)
    home = Settings.from_env(given).home
    return Desk(Settings.from_env({**read_file(home), **given}))
