"""Which tests run in one process: those of one file, and of the files that share a server.

pytest-xdist's own groups (`--dist loadgroup`) are told by a test's id, which pytest no longer lets a plugin change:
with these versions every mark is ignored, and each worker starts each server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdist.scheduler import LoadScopeScheduling

SHARED = {
    "tests/contract/test_registry.py": "mlflow",
    "tests/integration/test_mlflow_registry.py": "mlflow",
    "tests/integration/test_metric_delivery.py": "mlflow",
    "tests/e2e/test_browser.py": "airflow site",
    "tests/unit/plugins/test_slipstream_plugin.py": "airflow site",
}


class ByServer(LoadScopeScheduling):
    """Files in the order in which they were collected: the long ones first, so that no worker idles at the end."""

    def __init__(self, config: Any, log: Callable[..., Any] | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return SHARED.get(path, path)
