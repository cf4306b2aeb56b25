"""A toy's ledger and control store: a champion with all that it was made from, and results that nobody needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.request import Ref
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import now
from include.data.published import publish, resource
from include.governance.mirror import follow
from include.governance.registry import register
from include.governance.registry import resource as registrations
from include.governance.seals import write_seal
from include.retention.ledger import Bounds
from include.retention.run import Place, Report, collect
from include.versions.record import VersionRecord
from tests.support.aged import let_pass
from tests.support.toy_ledger import MODEL, SPEC, Loop


class Jobs:
    """A job backend that has these under way."""

    def __init__(self) -> None:
        self.running: list[str] = []

    def under_way(self) -> list[str]:
        return self.running


@dataclass
class World:
    """The toy's life, and `slipstream gc` in it."""

    home: Path
    loop: Loop
    control: ControlStore
    jobs: Jobs = field(default_factory=Jobs)
    spec: ModelSpec = SPEC
    later: timedelta = timedelta(0)  # how much later than now it is for gc
    dossier: Callable[[str, int, str], str] | None = None

    @property
    def storage(self) -> Path:
        return self.home / "store"

    def registered(self, **package: object) -> VersionRecord:
        made = self.loop.package(**package)  # type: ignore[arg-type]
        epoch = self.control.take(registrations(MODEL), "t")
        return register(self.control, FolderRegistry(self.loop.ledger.storage), made, epoch)

    def published(self, day: date) -> Ref:
        ref = self.loop.day(day)
        epoch = self.control.take(resource(MODEL, day), "t")
        publish(self.control, MODEL, day, ref, {"labels": 3}, epoch)
        return ref

    def unneeded(self, name: str) -> Ref:
        """A trained result that was never registered, with a training set of its own."""
        loop, params = self.loop, {"as_of": name, "window_days": 1}
        data = loop.commit("training_set", params, {}, {"rows": 1}, {f"{name}.parquet": name.encode() * 50})
        return loop.commit("train", {"name": name}, {"training_set": data}, {"metrics": {}}, {"model.onnx": name.encode() * 99})

    def place(self) -> Place:
        settings = Settings.from_env({"SLIPSTREAM_HOME": str(self.home)})
        jobs: Callable[[], object] = lambda: self.jobs  # noqa: E731
        return Place(
            settings, self.control, self.loop.ledger, jobs, lambda _: self.spec, (MODEL,), self.now, "tests",  # type: ignore[arg-type]
            dossier=self.dossier, show=self.show,
        )  # fmt: skip

    def now(self) -> datetime:
        return now() + self.later

    def show(self, model: str) -> None:
        assert follow(self.control, lambda: FolderRegistry(self.loop.ledger.storage), model) == ""

    def gc(self, bounds: Bounds | None = None, *, dry_run: bool = False, keep: int | None = None) -> Report:
        return collect(self.place(), bounds or Bounds(), keep, dry_run=dry_run)

    def pass_days(self, days: float) -> None:
        let_pass(self.storage, days)

    def files(self) -> set[str]:
        return set(self.loop.ledger.storage.list("ledger"))


def world_under(folder: Path, control: ControlStore) -> World:
    """An empty one, whose storage is known to be the control store's."""
    (folder / "scratch").mkdir(exist_ok=True)
    made = World(folder, Loop.under(folder), control)
    with made.control.transaction() as connection:
        made.control.append_audit(connection, "t", "begin", MODEL, {})
    write_seal(made.control, made.loop.ledger.storage, actor="t")
    return made
