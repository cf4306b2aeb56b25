"""Every page of the console, light and dark, wide and narrow, as viewer, operator and admin, in a real browser with axe-core.

    make e2e-console                      # the walk
    make e2e-console IMAGES=1             # and docs/images/console-*.png made anew

The home is the benchmark's (benchmarks/console): five models and half a year, one rollout that waits for a person.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from benchmarks.console.home import Size, environ, make_home
from include.core.digest import PROJECT
from tests.support.browser import ENTER, ESCAPE, LEFT, Browser, missing, until
from tests.support.console_site import served
from tests.support.console_walk import LOOKS, Look, Walk, pages_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser"),
]

SIZE = Size(models=5, weeks=26)
MODEL = SIZE.names[0]
PAGES = pages_of(MODEL)
IMAGES = PROJECT / "docs" / "images"
SHOWN = {
    "fleet": Look("op", "light", 1400), "model": Look("op", "light", 1400), "quality of a model": Look("op", "light", 1400),
    "lineage of a model": Look("op", "dark", 1400), "audit": Look("op", "light", 1400), "costs": Look("op", "dark", 1400),
    "approvals": Look("op", "light", 1400),
}  # fmt: skip


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    home = tmp_path_factory.mktemp("walk") / "home"
    make_home(home, SIZE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with served(home, environ(home)) as (url, tokens), Browser(port, tmp_path_factory.mktemp("profile")) as browser:
        yield Walk(browser, url, tokens)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_has_no_serious_finding_for_anybody_in_any_look(walk: Walk, name: str) -> None:
    found = {}
    for look in LOOKS:
        walk.go(look, PAGES[name])
        found[str(look)] = list(walk.faults(look))
        if os.environ.get("CONSOLE_IMAGES") and SHOWN.get(name) == look:
            IMAGES.mkdir(exist_ok=True)
            (IMAGES / f"console-{name.replace(' ', '-')}.png").write_bytes(walk.browser.picture())
    assert found == {str(look): [] for look in LOOKS}


def test_a_viewer_is_offered_no_act_that_would_be_refused(walk: Walk) -> None:
    acts = (
        "return [...document.querySelectorAll('main button:enabled')].map(each => each.innerText.trim())"
        ".filter(text => text.endsWith('…'))"
    )
    for name, path in PAGES.items():
        walk.go(Look("viewer", "light", 1400), path)
        assert walk.browser.run(acts) in ([], ["Look…"], ["Look…"] * 2), name  # which reads
    walk.go(Look("op", "light", 1400), PAGES["quality of a model"])
    assert "Backfill a range…" in walk.browser.run(acts)


def test_the_lineage_is_walked_by_keys_alone_and_a_day_leads_to_its_raw_files(walk: Walk) -> None:
    browser = walk.browser
    walk.go(Look("viewer", "light", 1400), PAGES["lineage of a model"])
    browser.run("document.querySelector('svg.lineage g.node[tabindex=\"0\"]').focus()")
    assert walk.focused().startswith("version")
    for _ in range(3):
        browser.press(LEFT)
    assert walk.focused().startswith(("published days", "raw partitions"))
    browser.run("document.querySelector('[data-node^=\"days:\"]').focus()")
    browser.press(ENTER)
    until(lambda: "partitions, from number 1" in browser.text("#opened"))
    browser.run("document.querySelector('#opened ul.walk button').click()")
    until(lambda: "verdict" in browser.text("#opened ul.walk"))
    browser.run("document.querySelector('#opened ul.walk button').click()")
    until(lambda: "raw things" in browser.text("#opened"))
    browser.run("[...document.querySelectorAll('#opened button')].find(each => each.innerText === 'Verify now').click()")
    until(lambda: "every digest holds" in browser.text("#opened"))
    assert [each for each in walk.axe() if each["impact"] in ("serious", "critical")] == []
    assert browser.errors() == []


def test_the_focus_and_what_is_shown_survive_a_refresh_a_failed_poll_and_an_ended_session(walk: Walk) -> None:
    browser = walk.browser
    walk.go(Look("op", "light", 1400), PAGES["audit"])
    browser.run("document.querySelector('form.filters input[name=actor]').focus()")
    browser.press("pol")
    before = browser.text("#rows")
    _poll(browser)
    assert browser.run("return [document.activeElement.name, document.activeElement.value]") == ["actor", "pol"]
    browser.cdp("Network.enable")
    browser.cdp("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    _poll(browser)
    until(lambda: "did not answer" in browser.text("main [role=alert]"))
    assert (browser.text("#rows"), walk.focused()) == (before, "actor")
    browser.cdp("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    _poll(browser)
    until(lambda: browser.text("main [role=alert]") == "")
    browser.cdp("Network.clearBrowserCookies")
    _poll(browser)
    until(lambda: "session has ended" in browser.text("main [role=alert]"))
    assert browser.text("#rows") == before
    browser.errors()  # the refused polls are in the console's log


def test_a_tab_that_was_left_open_over_an_upgrade_says_so_and_keeps_what_it_shows(walk: Walk) -> None:
    browser = walk.browser
    walk.go(Look("op", "light", 1400), PAGES["quality of a model"])
    before = browser.text("#partitions")
    given = "const real = window.fetch; window.fetch = async (...asked) => { const got = await real(...asked); "
    other = "const headers = new Headers(got.headers); headers.set('X-Slipstream-Console', 'another release'); "
    browser.run(given + other + "return new Response(got.body, { status: got.status === 304 ? 200 : got.status, headers }); };")
    _poll(browser)
    until(lambda: "was upgraded" in browser.text("main [role=alert]"))
    assert browser.text("#partitions") == before
    assert "Reload" in browser.text("main [role=alert] button")


def test_rows_in_quarantine_are_looked_at_and_an_act_says_why_airflow_refused_it(walk: Walk) -> None:
    browser = walk.browser
    walk.go(Look("op", "dark", 600), PAGES["quality of a model"])
    browser.run("[...document.querySelectorAll('#partitions button')].find(each => each.innerText === 'Look…').click()")
    until(lambda: "would pass today's rules" in browser.text("dialog"))
    assert "are judged and made again" in browser.text("dialog")
    assert [each for each in walk.axe() if each["impact"] in ("serious", "critical")] == []
    browser.type("dialog input", "the rule was mended")
    browser.click("dialog button.go")
    until(lambda: "Airflow did not start a run" in browser.text("dialog"))  # this site has no DAG
    assert browser.run("return document.activeElement.classList.contains('problem')")
    browser.press(ESCAPE)
    until(lambda: not browser.run("return !!document.querySelector('dialog')"))
    browser.errors()


def test_a_person_approves_what_waits_and_the_page_says_who_is_asked_next(walk: Walk) -> None:
    browser = walk.browser
    walk.go(Look("admin", "light", 1400), PAGES["approvals"])
    assert "2 persons" in browser.text("main")
    browser.click("section button.go")
    browser.type("dialog textarea", "looked at the slices")
    browser.click("dialog button.go")
    until(lambda: "Approved by admin; 1 person more is asked." in browser.text("dialog"))
    browser.click("dialog button")
    until(lambda: "You have approved it" in browser.text("main"))
    assert browser.run("return document.querySelector('section button.go').disabled")
    assert browser.errors() == []


def _poll(browser: Browser) -> None:
    """As when the tab is looked at again: the page asks at once."""
    browser.run("document.dispatchEvent(new Event('visibilitychange'))")
    browser.later("setTimeout(arguments[arguments.length - 1], 1200)")
