"""Every page of the console, light and dark, wide and narrow, as viewer, operator and admin, in a real browser with axe-core.

    make e2e-console                      # the walk
    make e2e-console IMAGES=1             # and docs/images/console-*.png made anew

The home is the benchmark's (benchmarks/console): five models and half a year, one rollout that waits for a person.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

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


NEVER, BROKEN = "never_trained_1", "broken_1"
LONG = "a_" + "very_" * 11 + "long_1"  # as long as a name may be, but for two letters
HOSTILE = """<b>Ünï & "co"</b> 🦉"""
LIKE = "from datetime import date\n\nfrom benchmarks.console.spec import spec_of\n\nSPEC = spec_of({name!r}, date(2024, 1, 1))"


def add_odd_models(home: Path) -> None:
    """One that never trained, one whose spec does not load, and one whose name and owner leave a page little room."""
    specs = {
        NEVER: LIKE.format(name=NEVER),
        BROKEN: "SPEC = half a file",
        LONG: f"{LIKE.format(name=LONG)}.model_copy(update={{'owner': {HOSTILE!r}, 'description': 'x' * 300}})",
    }
    for name, text in specs.items():
        folder = home / "bench_models" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "spec.py").write_text(text + "\n")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    home = tmp_path_factory.mktemp("walk") / "home"
    make_home(home, SIZE)
    add_odd_models(home)
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


AWAY = """
const real = window.fetch;
window.fetch = async (...asked) => {
  const headers = { "X-Slipstream-Console": document.documentElement.dataset.version, "Content-Type": "application/json" };
  const told = { error: "The control store does not answer.", seen: null, safe: "nothing was changed.", next: "start it." };
  return new Response(JSON.stringify(told), { status: 503, headers });
};
window.back = () => { window.fetch = real; };
"""


def test_a_store_that_is_away_is_named_what_is_shown_stays_and_an_act_says_that_nothing_was_done(walk: Walk) -> None:
    browser = walk.browser
    walk.go(Look("op", "dark", 600), PAGES["model"])
    before = browser.text("#versions")
    browser.run(AWAY)
    _poll(browser)
    until(lambda: "The control store does not answer" in browser.text("main .banner"))
    assert "What is shown is as of" in browser.text("main .banner")
    assert "Try again" in browser.text("main .banner button")
    assert browser.text("#versions") == before
    browser.run("[...document.querySelectorAll('main button')].find(each => each.innerText === 'Train now…').click()")
    browser.type("dialog [name=reason]", "new labels")
    browser.click("dialog button.go")
    until(lambda: "Nothing was changed: The control store does not answer" in browser.text("dialog .problem"))
    browser.press(ESCAPE)
    browser.run("window.back()")
    _poll(browser)
    until(lambda: browser.text("main .banner") == "")
    browser.errors()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"model?name={NEVER}", ["None registered yet.", "0 published", "Nothing is served yet."]),
        (f"quality?name={NEVER}", ["None of its sources has landed"]),
        (f"lineage?name={NEVER}", ["has no version yet", "training DAG makes the first"]),
        (f"costs?name={NEVER}", ["No version was counted yet"]),
        (
            f"model?name={BROKEN}",
            ["Its spec cannot be loaded.", "What serves goes on", "SyntaxError", "Not known without its spec."],
        ),
        (f"quality?name={BROKEN}", ["cannot be imported"]),
        (f"model?name={LONG}", [LONG, HOSTILE]),
        (f"features?find={LONG}", [LONG, "nothing is published yet"]),
        ("quality", [LONG, NEVER, "at least 29 d"]),
    ],
)
def test_models_without_a_version_without_a_spec_and_with_long_names_are_understood(
    walk: Walk, path: str, words: list[str]
) -> None:
    browser = walk.browser
    for theme, width in (("dark", 600), ("light", 1400)):
        walk.go(Look("op", theme, width), path)
        said = browser.text("main")
        assert [each for each in words if each not in said] == [], said
        assert browser.run("return document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert [each for each in walk.axe() if each["impact"] in ("serious", "critical")] == []
    if BROKEN in path and "model" in path:
        held = "return [...document.querySelectorAll('.acts button:disabled')].map(each => each.innerText)"
        assert {"Train now…", "Take in days…", "Roll back…"} <= set(browser.run(held))
    browser.errors()  # the refused answers are in the console's log


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
