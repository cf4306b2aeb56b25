"""The console in a real browser, inside Airflow's own UI: its sandboxed frame, its login, its content policy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.routing.route import Route, read_route, set_route
from tests.support.browser import ENTER, TAB, Browser, missing, until
from tests.support.console_site import Site
from tests.support.console_site import site as site
from tests.support.console_walk import Look, Walk
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
    enabled = "return [...document.querySelectorAll('.acts button:enabled')].map(each => each.textContent)"
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


# -- what was wrong with the page before -------------------------------------------------------------------

LOOK_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"  # as if the tab came back: it polls at once
# From now on the server is of another release: so do its answers say, and so does it take what this page sends.
UPGRADE = """
const before = window.fetch;
window.fetch = async (path, given) => {
  if (given.method === "POST") given.headers["X-Slipstream-Console"] = "an earlier release";
  const answer = await before(path, given), headers = new Headers(answer.headers);
  headers.set("X-Slipstream-Console", "another release");
  return new Response([204, 304].includes(answer.status) ? null : await answer.text(), { status: answer.status, headers });
};
"""


def alarm(browser: Browser) -> str:
    return browser.text("main .banner")


def test_it_is_as_light_or_dark_as_airflow_at_once(browser: Browser, site: Site) -> None:
    visit(browser, site, "viewer", "/plugin/slipstream-models")
    browser.into_frame("iframe[title=Models]")
    until(lambda: "Models" in browser.text("h1"))
    for theme in ("dark", "light", "dark"):
        browser.run("window.parent.document.documentElement.className = arguments[0]", theme)
        until(lambda: browser.run("return document.documentElement.dataset.theme") == theme)  # noqa: B023 (it is asked here)
        paper = browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (max(paper[:3]) < 64) == (theme == "dark")


def test_a_poll_keeps_focus_selection_and_open_details(browser: Browser, site: Site) -> None:
    visit(browser, site, "op", PAGE)
    drawn(browser)
    browser.run("document.querySelector('#audit').open = true; document.querySelector('.acts button').focus(); scrollTo(0, 150)")
    browser.run("window.kept = document.activeElement; window.rows = document.querySelectorAll('#versions tr').length")
    with site.control.transaction() as connection:
        site.control.append_audit(connection, "ada", "rollout.return", MODEL, {"from": 2, "to": 1, "reason": "seen after a poll"})
    browser.run(LOOK_AGAIN)
    until(lambda: "seen after a poll" in browser.text("#audit"))
    assert browser.run("return document.activeElement === window.kept && window.kept.isConnected")
    assert browser.run("return document.querySelector('#audit').open")
    assert browser.run("return scrollY") == 150


def test_a_session_that_ended_keeps_what_is_shown_and_says_how_old_it_is(browser: Browser, site: Site) -> None:
    visit(browser, site, "viewer", PAGE)
    before = drawn(browser)
    browser.log_out()
    browser.run(LOOK_AGAIN)
    until(lambda: "Your session has ended." in alarm(browser))
    assert "What is shown is as of" in alarm(browser)
    assert "Log in" in alarm(browser)
    assert "version 2 · 100 %" in browser.text("main")
    assert "version 2 · 100 %" in before
    browser.log_in(site.tokens["viewer"])
    browser.run(LOOK_AGAIN)
    until(lambda: alarm(browser) == "")


def test_a_tab_left_open_over_an_upgrade_says_so_and_keeps_what_was_typed(browser: Browser, site: Site) -> None:
    visit(browser, site, "op", PAGE)
    drawn(browser)
    browser.click("button.danger")
    browser.type("dialog input", "complaints from the gate")
    browser.run(UPGRADE)
    browser.click("dialog button.go")
    until(lambda: "Slipstream was upgraded" in browser.text("dialog .problem"))
    assert browser.run("return document.querySelector('dialog input').value") == "complaints from the gate"
    assert read_route(site.control, MODEL)[1].champion == 2
    browser.run("document.querySelector('dialog').close()")
    browser.run(LOOK_AGAIN)
    until(lambda: "Slipstream was upgraded" in alarm(browser))
    assert "version 2 · 100 %" in browser.text("main")
    browser.click(".banner button")
    drawn(browser)
    browser.click("button.danger")
    assert browser.run("return document.querySelector('dialog input').value") == "complaints from the gate"


@pytest.mark.parametrize("width", [1400, 600])
def test_every_page_of_the_core_fits_and_works_by_keyboard(browser: Browser, site: Site, width: int) -> None:
    browser.resize(width)
    visit(browser, site, "op", "/slipstream/")
    until(lambda: MODEL in browser.text("main"))
    fits = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert browser.run(fits)
    browser.press(TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    browser.press(ENTER)
    assert browser.run("return document.activeElement.tagName") == "H1"
    browser.run("document.querySelector('th[role=rowheader] a').focus()")
    browser.press(ENTER)
    until(lambda: bool(browser.run("return document.querySelector(arguments[0])?.dataset.champion", HEAD)))
    until(
        lambda: browser.run("return document.activeElement.tagName") == "H1"
    )  # came from the console: the heading has the focus
    assert browser.run(fits)
    assert browser.errors() == []


def test_the_fleet_is_filtered_and_sorted_and_its_address_says_so(browser: Browser, site: Site) -> None:
    visit(browser, site, "viewer", "/slipstream/?text=nothing")
    until(lambda: "0 of 1 model" in browser.text("main"))
    browser.run(
        "const text = document.querySelector('input[name=text]'); text.value = 'toy'; text.dispatchEvent(new Event('input'))"
    )
    until(lambda: MODEL in browser.text("tbody"))
    assert browser.run("return location.search") == "?text=toy"
    browser.click("button.sort")
    until(lambda: browser.run("return document.querySelector('th[aria-sort]')?.innerText.startsWith('model')"))
    assert browser.run("return location.search") == "?text=toy&by=model"


def test_two_versions_are_compared(browser: Browser, site: Site) -> None:
    visit(browser, site, "viewer", PAGE)
    drawn(browser)
    browser.click("#compare form button")
    until(lambda: "1 partition not" in browser.text("#compare"))
    assert "2013-01-03" in browser.run("return document.querySelector('#compare').textContent")
    assert browser.errors() == []


def test_axe_finds_nothing_serious_on_a_page_with_a_picture_a_table_and_a_form(browser: Browser, site: Site) -> None:
    """A sample: `make e2e-console` walks every page for every role, in both themes and widths."""
    walk, look = Walk(browser, site.url, site.tokens), Look("viewer", "dark", 600)
    for path in (f"lineage?name={MODEL}", f"quality?name={MODEL}", "audit"):
        walk.go(look, path)
        assert list(walk.faults(look)) == []
