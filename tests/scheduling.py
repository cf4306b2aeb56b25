"""Which tests run in one process, and beside which others.

In one process run the tests of one file, and of the files that share a server or a library that takes seconds to import.
pytest-xdist's own groups (`--dist loadgroup`) are told by a test's id, which pytest no longer lets a plugin change: with these
versions every mark is ignored, and each worker starts each server.

Beside each other run tests that wait for servers and schedulers, and tests that compute: half of the processes begin with the
ones, half with the others, and whoever is done helps the rest. In the order of collection all would wait first, and then all
compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdist.scheduler import LoadScopeScheduling

SERVERS = {
    "tests/contract/test_registry.py": "mlflow",
    "tests/integration/test_mlflow_registry.py": "mlflow",
    "tests/integration/test_metric_delivery.py": "mlflow",
    "tests/integration/test_airflow_kernel.py": "airflow",
    "tests/integration/test_approval_cli.py": "airflow",
    "tests/integration/test_approval_dag.py": "airflow",
    "tests/integration/test_author_dag.py": "airflow",
    "tests/integration/test_experiment_dag.py": "airflow",
    "tests/integration/test_operator_hands.py": "airflow",
    "tests/integration/test_reconciler.py": "airflow",
    "tests/e2e/test_browser.py": "airflow site",
    "tests/unit/plugins/test_slipstream_console.py": "airflow site",
    "tests/unit/plugins/test_slipstream_input.py": "airflow site",
    "tests/unit/plugins/test_slipstream_approvals.py": "airflow site",
    "tests/unit/plugins/test_slipstream_plugin.py": "airflow site",
    "tests/unit/plugins/test_slipstream_training.py": "airflow site",
}
LIBRARIES = {  # and the project's own sources, parsed
    "tests/integration/test_feast.py": "feast",
    "tests/integration/test_feast_offline.py": "feast",
    "tests/unit/operators/test_empty_days.py": "feast",
    "tests/unit/operators/test_features.py": "feast",
    "tests/unit/operators/test_lost_rows.py": "feast",
    "tests/integration/test_training_workers.py": "lightning",
    "tests/unit/backends/lightning/test_export.py": "lightning",
    "tests/unit/backends/lightning/test_fit.py": "lightning",
    "tests/unit/backends/lightning/test_leaving.py": "lightning",
    "tests/unit/backends/lightning/test_shares.py": "lightning",
    "tests/unit/backends/lightning/test_torch_trainer.py": "lightning",
    "tests/unit/examples/test_eta_network.py": "lightning",
    "tests/unit/backends/great_expectations/test_expectations.py": "great_expectations",
    "tests/unit/data/test_columns.py": "great_expectations",
    "tests/unit/data/test_partitions.py": "great_expectations",
    "tests/unit/row_rules/test_predicate.py": "great_expectations",
    "tests/unit/validation/test_propose.py": "great_expectations",
    "tests/unit/validation/test_scan.py": "great_expectations",
    "tests/unit/core/test_adapters.py": "sources",
    "tests/unit/core/test_environment.py": "sources",
    "tests/unit/test_source.py": "sources",
    "tests/unit/test_style.py": "sources",
    "tests/unit/test_suites.py": "sources",
    "tests/unit/test_table_owners.py": "sources",
    "tests/unit/versions/test_lifecycle.py": "sources",
}
SHARED = {**SERVERS, **LIBRARIES}
WAITING = (*SERVERS.values(), "tests/contract/", "tests/e2e/", "tests/integration/")  # how the scopes that mostly wait begin


class ByServer(LoadScopeScheduling):
    """Files in the order in which they were collected: the long ones first, so that no worker idles at the end."""

    def __init__(self, config: Any, log: Callable[..., Any] | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        """The next unit of the kind that this process prefers; any, when none of that kind is left."""
        number = int(node.gateway.id.removeprefix("gw"))
        preferred = next_scope(self.workqueue, waits=number % 2 == 0)
        if preferred is not None:
            self.workqueue.move_to_end(preferred, last=False)
        super()._assign_work_unit(node)


def scope_of(nodeid: str) -> str:
    """The name of what runs in one process with this test."""
    path = nodeid.partition("::")[0]
    return SHARED.get(path, path)


def next_scope(scopes: Any, *, waits: bool) -> str | None:
    """The first scope that mostly waits for others, or that mostly computes; None where there is none."""
    return next((scope for scope in scopes if scope.startswith(WAITING) == waits), None)
