"""What the commands work on: the same services as the platform's, found without Airflow."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from include.core.control import ControlStore
from include.core.errors import NotReadyError
from include.core.settings import Settings
from include.local.connections import read_file
from include.services.services import Services


class CliContext(Services):
    """The services of one command, and who gave it."""

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


def open_context(environ: Mapping[str, str] | None = None) -> CliContext:
    """Settings from the environment, and below them from `<home>/connections.env`."""
    given = dict(os.environ if environ is None else environ)
    home = Settings.from_env(given).home
    return CliContext(Settings.from_env({**read_file(home), **given}), control_must_exist=True)
