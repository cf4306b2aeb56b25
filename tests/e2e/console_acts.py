"""A model's own Airflow behind the console: what a person clicks there becomes runs, and callers ask the gateway meanwhile."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from include.core.connection import from_env
from include.core.digest import PROJECT
from include.data.raw import RawPartitions
from include.governance.audit import AuditRow, history
from include.local.connections import read_file
from include.services.services import Services
from include.serving.client import GatewayClient
from tests.e2e.case_home import platform_of
from tests.support.airflow_world import Run, World, wait_for
from tests.support.browser import Browser, until
from tests.support.callers import asking
from tests.support.console_walk import Look, Walk
from tests.unit.operators.models.shop.orders import CUSTOMERS, orders_of, returns_of

SHOP = PROJECT / "tests" / "unit" / "operators" / "models" / "shop"
MODEL, FIRST = "shop", date(2013, 1, 1)
PARTS = ("features_range", "training", "rollout")
PATIENCE = 600.0  # seconds, of a machine that does much else; only a failing test waits so long
LOOK = Look("op", "light", 1400)
DEAR, LIMIT, WIDER = 150.0, "max_value=100", "max_value=200"  # a price, the rule that sets it aside, and the rule mended
EDITS = {
    'HERE = "tests.unit.operators.models.shop"': 'HERE = __name__.removesuffix(".spec")',
    "ttl=timedelta(days=2)": "ttl=timedelta(days=36500)",  # the gateway's now is not 2013
    "deadline=timedelta(minutes=2)": "deadline=timedelta(minutes=20)",
    "shadow_requests=30": "shadow_requests=400",  # so many that one sees them come
}
BUTTON = "const found = [...document.querySelectorAll('main button')].find(each => each.innerText === arguments[0]);"


def day(number: int) -> date:
    """The first day is 1."""
    return FIRST + timedelta(days=number - 1)


@contextmanager
def acting(home: Path) -> Iterator[World]:
    """A platform whose one model is a copy of the tests' shop: nothing of it has landed."""
    folder = home / "models" / MODEL
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = folder / "spec.py"
    text = spec.read_text()
    for before, after in EDITS.items():
        assert before in text, before
        text = text.replace(before, after)
    spec.write_text(text)
    with platform_of(home / "platform", home / "models") as platform:
        world = World(platform)
        for part in PARTS:
            world.airflow.wait_for_dag(f"{MODEL}_{part}")
        yield world


@dataclass
class Acts:
    """What a person does to the model in the browser, and what came of it in Airflow and in the stores."""

    world: World
    walk: Walk
    home: Path
    failures: list[str] = field(default_factory=list)
    answered: dict[int, int] = field(default_factory=dict)  # by version
    at_once: int = 2  # customers that ask in a turn of a quarter of a second: so few that one sees a stage's count grow

    @property
    def browser(self) -> Browser:
        return self.walk.browser

    @cached_property
    def environ(self) -> dict[str, str]:
        return {**os.environ, **read_file(self.world.platform.home)}

    @cached_property
    def services(self) -> Services:
        return Services.from_env(self.environ)

    # -- data and callers

    def land(self, first: int, last: int, dear: int = 0) -> None:
        """Days by number. In the first of them so many orders have a price that a rule sets aside."""
        raw = RawPartitions(self.services.storage, MODEL)
        for number in range(first, last + 1):
            orders = orders_of(day(number))
            if dear and number == first:
                prices = [DEAR] * dear + orders["price"].to_pylist()[dear:]
                orders = orders_of(day(number), price=prices)
            for source, table in (("orders", orders), ("returns", returns_of(day(number)))):
                written = io.BytesIO()
                pq.write_table(table, written)
                self.services.storage.write(raw.path(source, day(number)), written.getvalue())

    def mend_the_rule(self) -> None:
        """The file is another; the API server is the one that has read it before."""
        rules = self.home / "models" / MODEL / "expectations.py"
        assert LIMIT in rules.read_text()
        rules.write_text(rules.read_text().replace(LIMIT, WIDER))

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Callers from here to the end of the block; none may be failed."""
        with asking(self._ask, self.failures):
            yield

    def _ask(self, stop: threading.Event) -> None:
        gateway = from_env("slipstream_gateway", self.environ)
        assert gateway is not None
        client = GatewayClient(self.services.settings.gateway_url, gateway.password)
        prices, customers = itertools.cycle(float(price) for price in range(1, 80, 7)), itertools.cycle(CUSTOMERS)
        while not stop.wait(0.25):
            some = itertools.islice(customers, self.at_once)
            asked = [{"entity": {"customer": who}, "features": {"price": next(prices), "shelf": "low"}} for who in some]
            try:
                for answer in client.predict_batch(MODEL, asked):
                    self.answered[answer["version"]] = self.answered.get(answer["version"], 0) + 1
            except Exception as error:  # noqa: BLE001 - whatever failed a caller is what the test is about
                self.failures.append(repr(error))
        client.close()

    # -- what a person does

    def open(self, path: str = f"model?name={MODEL}", look: Look = LOOK) -> None:
        self.walk.go(look, path)

    def press(self, words: str) -> None:
        """The button of these words, as somebody does who came to it by the keyboard: it has the focus."""
        until(lambda: bool(self.browser.run(f"{BUTTON} return found && !found.disabled", words)), PATIENCE)
        self.browser.run(f"{BUTTON} found.focus(); found.click()", words)

    def act(self, words: str, reason: str, **fields: str) -> str:
        """The act of that button, with a reason: what the console said of it. The focus is then on the button again."""
        self.press(words)
        return self.go_on(reason, **fields)

    def go_on(self, reason: str, **fields: str) -> str:
        """The dialog that is open, filled in and sent."""
        for name, text in {**fields, "reason": reason}.items():
            self.browser.run("document.querySelector(arguments[0]).value = ''", f"dialog [name={name}]")
            self.browser.type(f"dialog [name={name}]", text)
        self.browser.click("dialog button.go")
        until(lambda: not self.browser.run("return !!document.querySelector('dialog form')"), PATIENCE)
        said = self.browser.text("dialog p")
        self.browser.click("dialog button.go")
        until(lambda: not self.browser.run("return !!document.querySelector('dialog')"))
        return said

    def shows(self, css: str, words: str, seconds: float = PATIENCE) -> str:
        """The page, without being loaded again, comes to say this there: what it says then."""
        self.browser.run("window.mark ??= document")
        until(lambda: words in self.browser.text(css), seconds)
        assert self.browser.run("return window.mark === document"), "the page was loaded again"
        return self.browser.text(css)

    def look_again(self) -> None:
        """As when the tab is looked at again: the page asks at once."""
        self.browser.run("document.dispatchEvent(new Event('visibilitychange'))")

    def run_of(self, said: str, part: str) -> Run:
        """The run that the console named."""
        assert f"{MODEL}_{part}" in said, said
        name = said.partition("(")[2].partition(")")[0]
        return Run(self.world, f"{MODEL}_{part}", name, MODEL)

    def ended(self, run: Run) -> dict[str, Any]:
        def over() -> bool:
            return self.world.airflow.get(run.path)["state"] in ("success", "failed")

        wait_for(over, f"{run.run_id} is over", PATIENCE)
        found: dict[str, Any] = self.world.airflow.get(run.path)
        return found

    def told(self, action: str) -> AuditRow:
        """The newest row of the audit of that action."""
        return next(row for row in history(self.services.control, MODEL, limit=50) if row.action == action)
