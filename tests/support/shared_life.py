"""The life of a feature set and of two models that read it: real operators, by hand. The code is a copy that a test may edit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pytest

from include.core.digest import PROJECT
from include.core.request import Ref, Result
from include.ranges.span import Span
from include.ranges.take_in import Range, take_in
from include.routing.route import Route, set_route
from include.services.services import Services
from operators.hooks import open_services
from tests.support.operator_runs import Life, Run, day, settle_in
from tests.unit.operators.models.shop.orders import orders_of, returns_of

SET, RETURNS, DEAR = "buyers", "sent_back", "dear_orders"
PLACE = PROJECT / "tests" / "support" / "shared_features"
ONE = {"customer": "customer-1", "shelf": "low"}


@dataclass
class SharedLife:
    home: Path

    @property
    def services(self) -> Services:
        return open_services()

    def of(self, name: str) -> Life:
        return Life(self.services, name)

    def land(self, number: int) -> None:
        """A day of everybody's sources."""
        when, cadence = day(number), self.services.feature_set(SET).data.cadence
        bought = orders_of(when)
        for each in cadence.within_days(when, when):
            within = pc.and_(pc.greater_equal(bought["ordered_at"], each.start), pc.less(bought["ordered_at"], each.end))
            self.of(SET).put("purchases", each, bought.filter(within))
        for model in (RETURNS, DEAR):
            self.of(model).put("orders", when, orders_of(when))
        self.of(RETURNS).put("returns", when, returns_of(when))

    def cut_hourly(self) -> None:
        """From the start: the set's partitions are hours; the models' stay days."""
        shutil.copyfile(PLACE / "buyers_hourly.txt", self.home / "models" / SET / "features.py")
        self.edit("data=Data(", "data=Data(every=timedelta(hours=1), empty_days=True, ", "feature_set.py")

    def publish(self, number: int, *names: str) -> None:
        """validate → publish → materialize, of the set and the models or of some of them."""
        for name in names or (SET, RETURNS, DEAR):
            life = self.of(name)
            for each in self.services.owner(name).data.cadence.within_days(day(number), day(number)):
                life.materialize(life.publish(each, Run({"day": each.name})))

    def days(self, count: int, *names: str) -> None:
        """Land the first days, and take them in as ranges do."""
        for number in range(1, count + 1):
            self.land(number)
        for name in names or (SET, RETURNS, DEAR):
            self.take_in(name, count)

    def take_in(self, name: str, count: int, first: int = 1) -> None:
        services = self.services
        span = Span.of(str(day(first)), str(day(count)), services.owner(name).data.cadence)
        work = Range(
            spec=services.owner(name), span=span, ledger=services.ledger, control=services.control,
            settings=services.settings, store=services.online, run=f"range of {name}", holder="test", workers=0,
        )  # fmt: skip
        take_in(work)

    def train(self, model: str, as_of: str = "2013-01-05") -> Result:
        """Register a version; its training set."""
        life = self.of(model)
        run = life.registered(Run({"as_of": as_of}, run_id=f"manual__{model}_{as_of}_{self.version()}"))
        return self.services.ledger.resolve(Ref.from_json(run.xcom["build_training_set"]))

    def route(self, model: str, route: Route) -> None:
        with self.services.control.transaction() as connection:
            set_route(connection, model, route)

    def edit(self, old: str, new: str, file: str = "features.py", of: str = SET) -> None:
        """Change a line of the code. What this process has imported is forgotten, as in a new one."""
        path = self.home / "models" / of / file
        text = path.read_text()
        assert old in text
        rewrite(path, text.replace(old, new))

    @contextmanager
    def edited(self, old: str, new: str, file: str = "features.py", of: str = SET) -> Iterator[None]:
        """The same for a while."""
        path = self.home / "models" / of / file
        text = path.read_text()
        self.edit(old, new, file, of)
        try:
            yield
        finally:
            rewrite(path, text)

    def version(self, view: str = "customer") -> str:
        """Of a view of the set, as the code has it now."""
        from include.model_contract.view_version import versions

        return versions(self.services.feature_set(SET).features)[view]


def rewrite(path: Path, text: str) -> None:
    """Write a source, and forget the one before: Python keeps its code where a new one has its size and its second."""
    path.write_text(text)
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    forget()


def forget() -> None:
    import sys

    for name in [
        name for name in sys.modules if name.startswith("include.models.") and name.split(".")[2] in (SET, RETURNS, DEAR)
    ]:
        del sys.modules[name]


def begin(home: Path, monkeypatch: pytest.MonkeyPatch) -> SharedLife:
    """Nothing landed yet. The copy's models are imported as `include.models.<model>`."""
    if not (home / "models").exists():
        shutil.copytree(PLACE, home / "models", ignore=shutil.ignore_patterns("__pycache__"))
    forget()
    settle_in(home, monkeypatch, models=str(home / "models"))
    return SharedLife(home)
