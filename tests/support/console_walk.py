"""A walk through the console as somebody with eyes, with a keyboard, or with a screen reader: each page in a real browser.

axe-core looks at every page (tests/support/axe: its bytes are those of the package whose digest axe.json notes).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from include.core.digest import digest_bytes
from tests.support.browser import Browser, until

AXE = Path(__file__).with_name("axe")
GRAVE = ("serious", "critical")
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(found => done(found.violations.map(each => ({
  rule: each.id, impact: each.impact, help: each.help,
  nodes: each.nodes.slice(0, 5).map(node => node.target.join(" ") + ": " + node.html.slice(0, 160)),
}))), error => done([{ rule: "axe", impact: "critical", help: String(error), nodes: [] }]));
"""


@dataclass(frozen=True)
class Look:
    """Who looks, and how."""

    role: str
    theme: str
    width: int

    def __str__(self) -> str:
        return f"{self.role} {self.theme} {self.width}"


LOOKS = [Look(role, theme, width) for role in ("viewer", "op", "admin") for theme in ("light", "dark") for width in (1400, 600)]


def pages_of(model: str, day: str = "") -> dict[str, str]:
    """Every page of the console, and those of one model, by their addresses below /slipstream/."""
    return {
        "fleet": "",
        "model": f"model?name={model}",
        "quality": "quality",
        "quality of a model": f"quality?name={model}" + (f"&last={day}" if day else ""),
        "features": "features",
        "lineage": "lineage",
        "lineage of a model": f"lineage?name={model}",
        "costs": "costs",
        "costs of a model": f"costs?name={model}",
        "audit": "audit",
        "audit of a model": f"audit?subject={model}",
        "approvals": "approvals",
    }


@dataclass(frozen=True)
class Walk:
    browser: Browser
    url: str
    tokens: dict[str, str]

    def go(self, look: Look, path: str) -> None:
        """The page, when it has drawn what it read."""
        self.browser.sized(look.width)
        self.browser.prefers(look.theme)
        self.browser.open(f"{self.url}/api/v2/version")
        self.browser.log_in(self.tokens[look.role])
        self.browser.open(f"{self.url}/slipstream/{path}")
        self.ready()

    def ready(self) -> None:
        until(lambda: bool(self.browser.run("return document.documentElement.dataset.ready === 'yes'")), 30)

    def faults(self, look: Look) -> Iterator[str]:
        """What is wrong with the page that is open."""
        yield from (f"console: {each}" for each in self.browser.errors())
        wide = self.browser.run("return document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            yield f"it is {wide} px wider than the window"
        if (theme := self.browser.run("return document.documentElement.dataset.theme")) != look.theme:
            yield f"it is {theme}"
        if self.browser.run("return document.querySelectorAll('h1').length") != 1:
            yield "it has not one heading"
        if problem := self.browser.run("return document.querySelector('main [role=alert]')?.innerText ?? ''"):
            yield f"it says: {problem}"
        for each in self.axe():
            if each["impact"] in GRAVE:
                yield f"{each['impact']} {each['rule']}: {each['help']}; {each['nodes']}"

    def axe(self) -> list[dict[str, Any]]:
        """axe's findings, of every impact."""
        self.browser.run(_axe())
        found: list[dict[str, Any]] = self.browser.later(RUN)
        return found

    def focused(self) -> str:
        """What has the focus, in words."""
        words = "at.getAttribute('aria-label') || at.innerText || at.name || at.tagName"
        return str(self.browser.run(f"const at = document.activeElement; return {words}"))


@cache
def _axe() -> str:
    """Raises AssertionError for bytes that are not those of the package."""
    data, noted = (AXE / "axe.min.js").read_bytes(), json.loads((AXE / "axe.json").read_text())
    assert digest_bytes(data) == noted["sha256"], "tests/support/axe/axe.min.js is not the file of axe.json"
    return data.decode()
