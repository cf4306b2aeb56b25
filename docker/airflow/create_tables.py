"""The control store's tables, where there are none yet. Those of an earlier release are `slipstream upgrade`'s to change."""

from include.core.control import ControlStore
from include.core.settings import Settings

ControlStore(Settings.from_env().control_url).create_tables()
