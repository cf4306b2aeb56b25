"""Lives with gc in them: between any two fault points of a task, killed anywhere, whatever was published, trained, redone.

The digest of everything reachable is the same as it would be without, and `trace` verifies.
"""

from __future__ import annotations

import random
from datetime import date

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.compute import find_or_compute
from include.core.errors import SlipstreamError
from include.core.request import Json, Outcome, Ref, Request
from include.core.settings import Settings
from include.core.task import Task
from include.data.published import publish, resource
from include.governance.lineage import trace
from include.governance.registration import Inputs, propose
from include.governance.registry import register
from include.governance.registry import resource as registrations
from include.retention.ledger import digest_of_kept
from include.versions.queries import records
from tests.support.aged import at_each_point, killed_at
from tests.support.effort import effort
from tests.support.gc_world import World
from tests.support.toy_ledger import MODEL, SPEC, onnx_mean

DAYS = tuple(date(2013, 1, n) for n in (1, 2, 3))
WITHIN = ("control.once.effect",)  # a transaction: SQLite has one writer, and gc, which writes its audit row, is not let in
POINTS = ("gc.condemned", "gc.withdrawn.kept", "gc.withdrawn", "gc.remove", "gc.removed", "gc.lift", "gc.lifted")


def work(task: Task) -> Outcome:
    """A step that reads every file of its inputs, and writes what follows from them."""
    read = sorted(task.file(name, file).read_bytes() for name in task.request.inputs for file in task.input(name).files)
    text = f"{task.request.step} {sorted(task.params.items())} {read}".encode()
    names = {"train": ("model.onnx", "signature.json")}.get(task.request.step, ("rows.parquet",))
    files = {}
    for name in names:
        files[name] = task.workdir / name
        files[name].write_bytes(_content(name, text))
    return Outcome(dict(task.params["value"]), files)


def _content(name: str, text: bytes) -> bytes:
    if name == "model.onnx":
        return onnx_mean(3, str(hash(text)))
    return SIGNATURE if "json" in name else text


SIGNATURE = b'{"inputs": [{"name": "wind", "dtype": "float", "default": 0.0}], "output": "score", "label": "late", "schema": "s"}'
VALUES: dict[str, dict[str, Json]] = {
    "features": {"day": "2013-01-01", "rows": {"labels": 3}},
    "training_set": {"rows": 10, "positives": 2, "holdout_rows": 5, "first": "2013-01-01", "last": "2013-01-03"},
    "train": {"metrics": {"loss": 0.4}},
    "evaluate": {"metrics": {"auc": 0.7}, "gate": {"passed": True, "reasons": []}, "champion": None},
}


class Life:
    """What tasks do, by the ledger and the control store alone. Each of them may be done again, and is then found."""

    def __init__(self, world: World) -> None:
        self.world, self.ledger = world, world.loop.ledger
        self.settings = Settings.from_env({"SLIPSTREAM_HOME": str(world.home)})

    def compute(self, step: str, inputs: dict[str, Ref], **params: Json) -> Ref:
        request = Request(
            step, "tests.unit.retention.test_lives:work", MODEL, {"value": VALUES[step], "training": {"params": {}}, **params},
            inputs, "c",
        )  # fmt: skip
        return self.ledger.ref(find_or_compute(request, self.ledger, self.settings).result)

    def day(self, day: date, edition: int) -> Ref:
        ref = self.compute("features", {}, day=str(day), edition=edition)
        epoch = self.world.control.take(resource(MODEL, day), "t")
        publish(self.world.control, MODEL, day, ref, {"labels": 3}, epoch)
        return ref

    def train(self, editions: tuple[int, ...], hidden: int, *, to_register: bool) -> None:
        days = {str(day): self.day(day, edition) for day, edition in zip(DAYS, editions, strict=True)}
        data = self.compute("training_set", days, as_of="2013-02-01")
        model = self.compute("train", {"training_set": data}, hidden=hidden)
        judged = self.compute("evaluate", {"training_set": data, "train": model})
        if to_register:
            package = propose(self.ledger, SPEC, Inputs(model, data, judged), as_of="2013-04-01T00:00:00")
            registry = FolderRegistry(self.ledger.storage)
            register(self.world.control, registry, package, self.world.control.take(registrations(MODEL), "t"))

    def versions(self) -> list[int]:
        return [record.version for record in records(self.world.control, MODEL)]

    def check(self, before: dict[str, str]) -> None:
        """All that is needed is there, and every file of it is as it was."""
        kept = digest_of_kept(self.ledger, self.world.control)
        assert all(kept[place] == digest for place, digest in before.items() if place in kept)
        assert all(trace(self.ledger, self.world.control, MODEL, version).intact for version in self.versions())


# What lies there when the tasks begin: made long ago, and given up as far as this.
AGES: dict[str, tuple[float, ...]] = {
    "of today": (), "old": (31,), "condemned": (31, 0), "condemned for the grace": (31, 7),
    "withdrawn for the second wait": (31, 7, 1), "gone": (31, 7, 1, 1),
}  # fmt: skip


def made_before(world: World, age: str) -> Life:
    life = Life(world)
    life.train((1, 1, 1), 8, to_register=False)
    life.train((2, 2, 2), 8, to_register=False)
    for number, days in enumerate(AGES[age]):
        if number:
            world.gc()
        world.pass_days(days)
    return life


@pytest.mark.thorough
@pytest.mark.parametrize("age", ["condemned for the grace", *(age for age in AGES if age != "condemned for the grace")])
def test_gc_between_any_two_fault_points_of_every_step(world: World, age: str) -> None:
    """The same is asked for again as long ago: it is found, or made anew, and registered, whenever gc comes by."""
    life = made_before(world, age)
    with at_each_point(lambda: world.gc(), WITHIN) as passed:
        life.train((1, 1, 1), 8, to_register=True)
    assert len(passed) > 20
    assert life.versions() == [1]
    before = digest_of_kept(life.ledger, world.control)
    for days in (0, 31, 7, 1, 1):
        world.pass_days(days)
        world.gc()
        life.check(before)


@pytest.mark.whole
@pytest.mark.parametrize("age", AGES)
def test_gc_at_one_fault_point(world: World, age: str) -> None:
    life = made_before(world, age)
    points = 0
    while True:
        hidden = 100 + points
        with at_each_point(lambda: world.gc(), WITHIN, points) as passed:
            life.train((1, 1, 1), hidden, to_register=True)
        before = digest_of_kept(life.ledger, world.control)
        life.check(before)
        if points >= len(passed):
            break
        points += 1


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(effort(2, 40)))
def test_random_lives_with_gc_that_is_killed(world: World, seed: int) -> None:
    rng, life = random.Random(seed), Life(world)
    redone: list[tuple[tuple[int, ...], int]] = [((1, 1, 1), 8)]
    for _ in range(effort(12, 40)):
        before = digest_of_kept(life.ledger, world.control)
        match rng.choice(("train", "redo", "register", "publish", "gc", "gc", "killed", "wait")):
            case "train":
                redone.append((tuple(rng.randint(1, 3) for _ in DAYS), rng.randint(1, 3)))
                life.train(*redone[-1], to_register=False)
            case "redo":
                life.train(*rng.choice(redone), to_register=False)
            case "register":
                life.train(*rng.choice(redone), to_register=True)
            case "publish":
                life.day(rng.choice(DAYS), rng.randint(1, 3))
            case "gc":
                world.gc()
            case "killed":
                with killed_at(rng.choice(POINTS), rng.randint(0, 3)):
                    world.gc()
            case "wait":
                world.pass_days(rng.choice((1, 8, 31)))
        life.check(before)
    for days in (31, 7, 1, 1):
        world.pass_days(days)
        world.gc()
    life.check(digest_of_kept(life.ledger, world.control))
    assert world.gc().found == [], "in the end all that nobody needs is gone"
    published = digest_of_kept(life.ledger, world.control)
    life.train((1, 1, 1), 8, to_register=True)
    life.check(published)


def test_what_a_task_reads_while_it_is_withdrawn_is_an_error_that_says_what_to_do(world: World) -> None:
    """It held a reference for longer than the grace: never a wrong value, and the way to a new one is said."""
    life = Life(world)
    ref = life.compute("features", {}, day="2013-01-01", edition=9)
    for days in (31, 7):
        world.pass_days(days)
        world.gc()
    with pytest.raises(SlipstreamError) as error:
        life.compute("training_set", {"2013-01-01": ref}, as_of="2013-02-01")
    assert "computed again" in error.value.hint
