"""The registry follows the control store, at once or later; an older state never stands over a newer one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.advisory_lock import advisory_lock
from include.core.control import ControlStore
from include.core.errors import UnreachableError
from include.governance import mirror as module
from include.governance.mirror import behind, catch_up, follow, mirror
from include.governance.registry import register, resource
from include.versions.record import Stage, VersionRecord
from tests.support.toy_ledger import MODEL, Loop
from tests.support.versions import move


class Away:
    """A registry that does not answer, in one of the ways that servers have."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or UnreachableError("MLflow does not answer.", hint="start it.")

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        raise self.error


@pytest.fixture
def registry(control: ControlStore, tmp_path: Path) -> FolderRegistry:
    """Version 1 is in production, version 2 a candidate, and that is shown."""
    loop = Loop.under(tmp_path)
    made, epoch = FolderRegistry(loop.ledger.storage), control.take(resource(MODEL), "t")
    register(control, made, loop.package(), epoch)
    move(control, MODEL, 1, Stage.PRODUCTION, "t")
    register(control, made, loop.package(days=4), epoch)
    return made


def shown(registry: FolderRegistry) -> dict[str, int]:
    aliases: dict[str, int] = registry.labels(MODEL)["aliases"]
    return aliases


def promote(control: ControlStore) -> None:
    move(control, MODEL, 1, Stage.ARCHIVED, "t")
    move(control, MODEL, 2, Stage.PRODUCTION, "t")


def test_nothing_is_behind_after_a_registration(control: ControlStore, registry: FolderRegistry) -> None:
    assert behind(control) == behind(control, MODEL) == []
    assert shown(registry) == {"champion": 1, "candidate": 2}


def test_whoever_moves_a_version_the_model_is_behind_until_it_is_shown(control: ControlStore, registry: FolderRegistry) -> None:
    promote(control)
    (late,) = behind(control)
    assert (late.model, late.problem) == (MODEL, "")
    assert catch_up(control, lambda: registry) == {MODEL: ""}
    assert shown(registry) == {"champion": 2}
    assert behind(control) == []
    assert catch_up(control, lambda: pytest.fail("there is nothing to open it for")) == {}


@pytest.mark.parametrize("error", [UnreachableError("MLflow is away."), RuntimeError("MLflow is odd"), KeyError("aliases")])
def test_a_registry_that_fails_is_remembered_and_raises_nothing(
    control: ControlStore, registry: FolderRegistry, error: Exception
) -> None:
    promote(control)
    words = follow(control, lambda: Away(error), MODEL)
    assert str(error).split("'")[-1] in words or "aliases" in words
    assert behind(control)[0].problem == words
    assert catch_up(control, lambda: Away(error)) == {MODEL: words}
    assert follow(control, lambda: registry, MODEL) == ""
    assert behind(control) == []


def test_a_registry_that_cannot_be_opened_is_remembered_too(control: ControlStore, registry: FolderRegistry) -> None:
    promote(control)

    def broken() -> FolderRegistry:
        raise UnreachableError("There is no connection.")

    assert "no connection" in follow(control, broken, MODEL)
    assert behind(control)[0].problem == "There is no connection."


def test_what_moves_while_it_is_written_is_written_too(control: ControlStore, registry: FolderRegistry) -> None:
    class Slow(FolderRegistry):
        moved = False

        def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
            if not self.moved:
                self.moved = True
                promote(control)
            super().mirror(model, records, aliases)

    mirror(control, Slow(registry.storage), MODEL)
    assert shown(registry) == {"champion": 2}
    assert behind(control) == []


def test_one_that_lost_its_place_writes_the_newer_state_over_its_own_older_one(
    control: ControlStore, registry: FolderRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is lost (a database session that was cut), another moves and mirrors, and then it wakes up and writes."""

    class Sleeper(FolderRegistry):
        slept = False

        def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
            if not self.slept:
                self.slept = True
                promote(control)
                control.take(module.resource(MODEL), "the newer mirror")
                module._record(control, MODEL, None, shown=module.labels(control, MODEL).digest)
            super().mirror(model, records, aliases)

    looks = iter([module.labels(control, MODEL)])
    now = module.labels
    monkeypatch.setattr(module, "labels", lambda *given: next(looks, None) or now(*given))  # what it read before it slept
    mirror(control, Sleeper(registry.storage), MODEL)
    assert shown(registry) == {"champion": 2}
    assert behind(control) == []


def test_one_that_has_waited_for_a_stuck_one_goes_ahead_and_gives_no_word_for_what_that_may_do(
    control: ControlStore, registry: FolderRegistry
) -> None:
    promote(control)
    with module.alone(control, MODEL, timeout=1):  # somebody holds the place, and may write an older state and be killed
        mirror(control, registry, MODEL, timeout=0.05)
        assert shown(registry) == {"champion": 2}
        assert "may be stuck" in behind(control)[0].problem
    assert catch_up(control, lambda: registry) == {MODEL: ""}
    assert behind(control) == []


@pytest.mark.parametrize("model", ["flights", "model165"])  # of the second both names come to one of SQLite's 64 lock files
def test_who_holds_a_models_registrations_does_not_wait_for_itself(control: ControlStore, model: str) -> None:
    with advisory_lock(control, resource(model)), module.alone(control, model, timeout=0.05) as acquired:
        assert acquired


def test_a_model_that_an_earlier_version_of_this_software_wrote_counts_as_behind(
    control: ControlStore, registry: FolderRegistry
) -> None:
    with control.transaction() as connection:
        connection.execute(module.mirrors.delete())
    assert [(each.model, each.since) for each in behind(control)] == [(MODEL, "")]
    assert catch_up(control, lambda: registry, [MODEL, "other"]) == {MODEL: ""}
    assert behind(control) == []
