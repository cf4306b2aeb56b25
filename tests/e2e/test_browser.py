"""The console in a real browser, inside Airflow's own UI: its sandboxed frame, its login, its content policy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.routing.route import Route, read_route, set_route
from tests.support.browser import Browser, missing, until
from tests.support.console_site import Site
from tests.support.console_site import site as site
from tests.support.toy_ledger import MODEL

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser"),
]

PAGE = f"/slipstream/model?name={MODEL}"
HEAD = f"#{MODEL}"  # of the model's page


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Browser(port, tmp_path / "profile") as opened:
        yield opened


def visit(browser: Browser, site: Site, role: str, path: str) -> None:
    browser.open(f"{site.url}/api/v2/version")
    browser.log_in(site.tokens[role])
    browser.open(f"{site.url}{path}")


def drawn(browser: Browser) -> str:
    """The model's page, when its data have come."""
    until(lambda: bool(browser.run("return document.querySelector(arguments[0])?.dataset.champion", HEAD)))
    return browser.text("main")


def test_the_champion_and_every_version_are_shown_without_a_console_error(browser: Browser, site: Site) -> None:
    visit(browser, site, "viewer", PAGE)
    shown = drawn(browser)
    assert "version 2 · 100 %" in shown
    assert "A roll back returns to version 1." in shown
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.errors() == []


def test_what_strangers_wrote_is_text_on_the_page(browser: Browser, site: Site) -> None:
    runs = "document.title='pwned'"
    detail = {"from": 2, "to": 1, "reason": f"</script><script>{runs}</script><img src=x onerror={runs}>"}
    with site.control.transaction() as connection:
        site.control.append_audit(connection, f"<svg onload={runs}>", "rollout.return", MODEL, detail)
    visit(browser, site, "viewer", PAGE)
    drawn(browser)
    assert f"<img src=x onerror={runs}>" in browser.run("return document.body.textContent")
    assert browser.run("return document.title") == f"{MODEL} · Models"
    assert browser.errors() == []


def test_a_viewer_is_offered_nothing_that_would_be_refused(browser: Browser, site: Site) -> None:
    visit(browser, site, "viewer", PAGE)
    drawn(browser)
    enabled = "return [...document.querySelectorAll('button:enabled')].map(each => each.textContent)"
    assert browser.run(enabled) == ["Trace"]
    assert "Airflow's right" in browser.run("return document.querySelector('button.danger').title")


def test_roll_back_and_links_work_inside_airflows_sandboxed_frame(browser: Browser, site: Site) -> None:
    with site.control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))
    visit(browser, site, "op", "/plugin/slipstream-models")
    browser.into_frame("iframe[title=Models]")
    browser.click("th a")
    drawn(browser)
    browser.click("button.danger")
    browser.type("dialog input", "complaints from the gate")
    browser.click("dialog button.go")
    until(lambda: "Version 2 is out, version 1 answers." in browser.text("dialog"))
    assert read_route(site.control, MODEL)[1].champion == 1
    browser.click("dialog button")
    until(lambda: "version 1 · 100 %" in browser.text("main"))
    browser.click(".links a")
    browser.out_of_frame()
    until(lambda: str(browser.run("return location.pathname")).startswith(f"/dags/{MODEL}_features"))
    with site.control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))
