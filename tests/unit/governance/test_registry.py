"""register: once, whatever is retried, killed or raced."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError, FencedError, UnreachableError
from include.governance.mirror import behind
from include.governance.package import Package
from include.governance.registry import Published, Registry, mirror, register, resource
from include.versions import queries as versions
from include.versions.record import Stage
from tests.support.toy_ledger import MODEL, Loop
from tests.support.versions import move


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


class DyingRegistry(FolderRegistry):
    """Dies between the registry's create and our commit."""

    def publish(self, package: Package) -> Published:
        super().publish(package)
        raise Killed


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop.under(tmp_path)


@pytest.fixture
def registry(loop: Loop) -> FolderRegistry:
    return FolderRegistry(loop.ledger.storage)


def test_registering_again_returns_the_same_version(control: ControlStore, loop: Loop, registry: FolderRegistry) -> None:
    package = loop.package()
    first = register(control, registry, package, control.take(resource(MODEL), "try-1"))
    again = register(control, registry, package, control.take(resource(MODEL), "try-2"))
    assert first == again
    assert (first.version, first.semver, first.stage) == (1, "1.0.0", Stage.CANDIDATE)
    assert [record.version for record in versions.records(control, MODEL)] == [1]


def test_an_orphan_of_a_killed_process_is_adopted(control: ControlStore, loop: Loop, registry: FolderRegistry) -> None:
    package = loop.package()
    with pytest.raises(Killed):
        register(control, DyingRegistry(loop.ledger.storage), package, control.take(resource(MODEL), "try-1"))
    assert versions.records(control, MODEL) == []
    record = register(control, registry, package, control.take(resource(MODEL), "try-2"))
    assert record.version == 1
    assert not loop.ledger.storage.exists(f"registry/{MODEL}/versions/2/package.json")


def test_a_late_holder_registers_nothing(control: ControlStore, loop: Loop, registry: FolderRegistry) -> None:
    late = control.take(resource(MODEL), "try-1")
    control.take(resource(MODEL), "try-2")
    with pytest.raises(FencedError):
        register(control, registry, loop.package(), late)
    assert not loop.ledger.storage.exists(f"registry/{MODEL}/versions/1/package.json")


def test_versions_number_what_changed(control: ControlStore, loop: Loop, registry: FolderRegistry) -> None:
    packages = [loop.package(), loop.package(days=4), loop.package(hidden=16), loop.package(inputs=("wind", "rain"))]
    epoch = control.take(resource(MODEL), "test")
    assert [register(control, registry, package, epoch).semver for package in packages] == ["1.0.0", "1.0.1", "1.1.0", "2.0.0"]


def test_labels_follow_the_control_store(control: ControlStore, loop: Loop, registry: FolderRegistry) -> None:
    epoch = control.take(resource(MODEL), "test")
    register(control, registry, loop.package(), epoch)
    move(control, MODEL, 1, Stage.PRODUCTION, "test")
    register(control, registry, loop.package(days=4), epoch)
    register(control, registry, loop.package(days=5, run_type="backfill"), epoch)
    mirror(control, registry, MODEL)
    labels = registry.labels(MODEL)
    assert labels["aliases"] == {"champion": 1, "candidate": 2}
    assert {number: tags["stage"] for number, tags in labels["tags"].items()} == {
        "1": "Production",
        "2": "Candidate",
        "3": "Staging",
    }


def test_a_version_that_was_deleted_in_the_registry_fails_no_registration_and_a_server_that_is_down_is_waited_for(
    control: ControlStore, loop: Loop
) -> None:
    class Failing(FolderRegistry):
        error: Exception

        def mirror(self, *_: object) -> None:
            raise self.error

    registry, epoch = Failing(loop.ledger.storage), control.take(resource(MODEL), "t")
    registry.error = UnreachableError("MLflow does not answer.")
    with pytest.raises(UnreachableError):
        register(control, registry, loop.package(), epoch)
    assert [each.problem for each in behind(control, MODEL)] == ["MLflow does not answer."]
    registry.error = DataError("MLflow lacks version 1.")
    assert register(control, registry, loop.package(), epoch).stage is Stage.CANDIDATE
    assert [each.problem for each in behind(control, MODEL)] == ["MLflow lacks version 1."]


def test_a_stage_moves_only_where_its_life_allows(control: ControlStore, loop: Loop, registry: FolderRegistry) -> None:
    register(control, registry, loop.package(passed=False), control.take(resource(MODEL), "test"))
    with pytest.raises(ConflictError, match="cannot go from Staging to Production"):
        move(control, MODEL, 1, Stage.PRODUCTION, "test")
    assert move(control, MODEL, 1, Stage.CANDIDATE, "test").stage is Stage.CANDIDATE
    assert versions.records(control, MODEL)[0].stage is Stage.CANDIDATE
    assert control.broken_audit_rows() == []


class Recounting:
    """A registry that gives no number twice, and whose model was deleted: it counts from 1 again."""

    def __init__(self, again: bool = False) -> None:
        self.held: dict[str, int] = {}
        self.last, self.again = 0, again

    def publish(self, package: Package) -> Published:
        if package.key not in self.held:
            self.last = self.last if self.again else self.last + 1
            self.held[package.key] = max(self.last, 1)
        return Published(self.held[package.key], "run")

    def withdraw(self, model: str, version: int) -> None:
        self.held = {key: number for key, number in self.held.items() if number != version}

    def mirror(self, *_: object) -> None:
        pass


def test_after_the_model_was_deleted_in_the_registry_the_next_version_gets_a_fresh_number(
    control: ControlStore, loop: Loop
) -> None:
    registry = Recounting()

    def go(days: int) -> int:
        return register(control, cast("Registry", registry), loop.package(days=days), control.take(resource(MODEL), "t")).version

    assert [go(13), go(14)] == [1, 2]
    registry.held, registry.last = {}, 0
    assert [go(15), go(15), go(13), go(16)] == [3, 3, 1, 4]


def test_a_registry_that_gives_a_taken_number_again_and_again_is_refused(control: ControlStore, loop: Loop) -> None:
    register(control, cast("Registry", Recounting()), loop.package(days=13), control.take(resource(MODEL), "t"))
    with pytest.raises(ConflictError, match=r"(?s)the number 1, which another one has.*restore the registry's entry"):
        register(control, cast("Registry", Recounting(again=True)), loop.package(days=14), control.take(resource(MODEL), "t"))
