"""One real Airflow for the modules that leave it as they find it: to boot one costs 25 s of the processor.

tests/scheduling.py has these modules run in one process, one after the other, and tests/integration/conftest.py stops the
Airflow as soon as the next test of that process is none of theirs. Each module brings its own DAG file, and takes it away at
its end: what such a file replaces, and what its DAGs do by the clock, is no other module's business.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from include.local.connections import addresses
from include.services.services import Services
from operators.hooks import open_services
from tests.support.airflow_world import World, airflow_world
from tests.support.operator_runs import NOBODY
from tests.support.webhook import Webhook

TOKEN = "Bearer hush"
SETTINGS = {
    "SLIPSTREAM_MODELS": "include.models:tests.unit.operators.models:tests.hands.models",
    "SLIPSTREAM_WARM": "1",  # a hundred task processes would import the same libraries each
}


OF_THE_SHOP = {
    "SLIPSTREAM_MODELS": "tests.unit.operators.models",
    "SLIPSTREAM_JOB_BACKEND": "process",
    "SLIPSTREAM_REGISTRY": "folder",
}


@contextmanager
def shops_services(world: World) -> Iterator[Services]:
    """The stores that the world's tasks work with, for this process; it has no Ray, MLflow and gateway."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**addresses(world.platform), **OF_THE_SHOP}.items():
            patch.setenv(name, value)
        for name in ("RAY", "MLFLOW", "GATEWAY"):
            patch.setenv(f"AIRFLOW_CONN_SLIPSTREAM_{name}", NOBODY)
        yield open_services()


class SharedAirflow:
    """Started by the first module that asks for it. Its alerts go to `webhook`."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._world: World | None = None
        self._dags = Path()
        self.webhook: Webhook

    @contextmanager
    def serving(self, dag_file: Path, *dag_ids: str) -> Iterator[World]:
        """The Airflow with the DAGs of this file, these switched on; nobody was told of anything yet."""
        world = self._world or self._start()
        self.webhook.got.clear()
        copy = self._dags / dag_file.name
        shutil.copy(dag_file, copy)
        try:
            for dag_id in dag_ids:
                world.airflow.wait_for_dag(dag_id)
            yield world
        finally:
            for dag_id in dag_ids:
                world.airflow.patch(f"/dags/{dag_id}", {"is_paused": True})
            copy.unlink()

    def close(self) -> None:
        """Stop it, and forget its data; nothing happens where it does not run."""
        self._open.close()
        self._world = None

    def _start(self) -> World:
        self.webhook = Webhook()
        self._open.callback(self.webhook.stop)
        self._dags = Path(tempfile.mkdtemp(prefix="slipstream-dags-"))
        self._open.callback(shutil.rmtree, self._dags, ignore_errors=True)
        alerts = json.dumps({"conn_type": "http", "host": self.webhook.url, "extra": {"Authorization": TOKEN}})
        given = {**SETTINGS, "SLIPSTREAM_DAGS": str(self._dags), "AIRFLOW_CONN_SLIPSTREAM_ALERTS": alerts}
        self._world = self._open.enter_context(airflow_world(dag_ids=(), **given))
        return self._world
