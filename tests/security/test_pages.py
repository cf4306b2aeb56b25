"""Values that strangers chose (categories, features' names, reasons, descriptions) on every page: shown, never run."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.backends.evidently.report import drift_report
from include.core.html import document
from include.core.html_policy import OPENING, STATIC, in_script, meta, policy_of, script_policy, scripts
from include.core.markdown import code, plain
from include.core.spec import Feature
from include.core.table import table
from include.evaluation.report import render as evaluation_page
from include.governance.card import render as card
from include.monitoring.report import verdict_html
from include.rollout.history import Rollout
from include.rollout.report import rollout_page
from include.validation.page import verdict_page
from plugins.slipstream_console import POLICY
from plugins.slipstream_reports import headers_of
from tests.support.browser import Browser, missing
from tests.support.toy_ledger import SPEC, Loop

PWNED = "document.title='pwned'"
ENDS = f"</script><script>{PWNED}</script>"
HOSTILE = [
    ENDS,
    f"<!--<script>{PWNED}//",
    f'"><img src=x onerror="{PWNED}">',
    f"'><svg onload={PWNED}>",
    f"javascript:{PWNED}",
    "\u2028\u2029</title></style></textarea>",
    "]]> {{7*7}} ${7*7}",
]
ALL = " ".join(HOSTILE)


class Seen(HTMLParser):
    """What a browser would make of a page: its elements and attributes, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def assert_harmless(page: str, scripts_of_ours: int = 0) -> Seen:
    seen = Seen(page)
    assert [tag for tag, _ in seen.tags].count("script") == scripts_of_ours
    for tag, attributes in seen.tags:
        assert tag not in {"img", "iframe", "object", "embed", "form", "base"}, tag
        assert not [name for name in attributes if name.startswith("on")]
        assert not [value for name, value in attributes.items() if name in ("href", "src") and "javascript:" in str(value)]
    return seen


# -- the pages that we write -------------------------------------------------------------------------------


def verdict() -> str:
    check = {
        "success": False, "on_failure": "stop", "sample": HOSTILE, "observed": None, "expectation": f"ExpectX(column={ALL!r})",
        "column": ALL, "unexpected": 1, "percent": 1.0,
    }  # fmt: skip
    source = {"rows": 1, "quarantined": 1, "passed": False, "reasons": HOSTILE, "checks": [check, {**check, "expectation": ALL}]}
    return verdict_page(ALL, {"passed": False, "sources": {ALL: source}})


def evaluation() -> str:
    value = {
        "gate": {"passed": False, "reasons": HOSTILE}, "warnings": HOSTILE, "metrics": {"auc": 0.7}, "champion": {"auc": ALL},
        "baselines": {ALL: {"auc": 0.6}}, "latency_ms": {"p99": 1.0}, "bytes": 1, "rows": 2, "calibration": [],
        "slices": [{"slice": ALL, "value": ALL, "rows": 1, "rate": 0.5}],
    }  # fmt: skip
    return evaluation_page(ALL, value, [{ALL: ALL}])


def monitored() -> dict[str, Any]:
    kind = {"verdict": "drift", "words": ALL}
    column = {"name": ALL, "drifted": True, "score": 2.0, "importance": 0.5, "words": ALL}
    performance = {
        "verdict": "measured", "drop": 0.1, "drop_error": 0.01, "words": ALL, "metrics": {"auc": 0.7}, "errors": {"auc": 0.01},
        "calibration": {"slope": 1.0, "slope_error": 0.1}, "metric": "auc",
        "slices": [{"column": ALL, "value": ALL, "rows": 1, "positive_rate": 0.5, "auc": 0.6, "error": 0.1}],
    }  # fmt: skip
    return {
        "window": f"2013-01-01{ALL.replace('/', '')}/2013-01-08", "champion": {"version": ALL},
        "collected": {"rows": 1, "labelled": 1, "versions": {ALL: 1}}, "quality": {"issues": [{"words": ALL}], "passed": True},
        "drift": {"verdict": "drift", "columns": [column], "critical": 1.0, "not_judged": {ALL: ALL}, "words": ALL},
        "kinds": {"prediction": kind, "label": kind, "concept": kind}, "performance": performance,
        "landing": {"landed": 1, "coming": 1.0, "enough": True}, "earlier": [{"window": ALL, "performance": {"words": ALL}}],
        "comparisons": [{"words": ALL}], "estimate": {"verdict": "abstain", "words": ALL},
    }  # fmt: skip


def rollout() -> str:
    events = [{"event": ALL, "stage": ALL, "at": ALL, "evidence": {"answer": ALL, "reasons": HOSTILE}}]
    return rollout_page(Rollout(ALL, ALL, 2, 1, ALL, ALL, ALL, ()), events)


PAGES = {"data docs": verdict, "evaluation": evaluation, "rollout": rollout, "title": lambda: document(ALL, "")}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_page_of_ours_holds_a_script_or_a_handler(name: str) -> None:
    page = PAGES[name]()
    seen = assert_harmless(page)
    assert PWNED in seen.text or PWNED in str(seen.tags)  # it is shown, as text
    content = next(attributes["content"] for tag, attributes in seen.tags if tag == "meta" and "http-equiv" in attributes)
    assert content is not None
    assert content.startswith("default-src 'none'")
    assert "script-src" not in content  # so none runs, wherever the page is opened


def test_the_monitoring_verdict_holds_neither() -> None:
    assert PWNED in assert_harmless(verdict_html(ALL, monitored())).text


# -- the page with a library's figures ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def drift() -> str:
    hostile = [*HOSTILE, "a"]
    current = pa.table({"carrier": hostile * 10, "x": [float(n) for n in range(len(hostile) * 10)]})
    reference = pa.table({"carrier": ["a", "b"] * 40, "x": [float(n) for n in range(80)]})
    features = [Feature(name="carrier", dtype="category"), Feature(name="x", dtype="float")]
    return drift_report(current, reference, features, verdict_html(ALL, monitored()))


def test_the_drift_report_holds_no_script_and_is_small(drift: str) -> None:
    seen = assert_harmless(drift)
    assert policy_of(drift.encode()) == STATIC
    assert ENDS in " ".join(seen.texts)  # as text
    assert [tag for tag, _ in seen.tags].count("figure") == 2
    assert len(drift) < 50_000  # Evidently's own page has 3.7 million characters


@pytest.mark.parametrize("value", [*HOSTILE, {"<b>": ["&", "\u2028", 1, None, True, 0.5]}])
def test_json_in_a_script_means_the_same_and_cannot_end_it(value: Any) -> None:
    for ascii_only in (True, False):
        written = in_script(json.dumps(value, ensure_ascii=ascii_only))
        assert json.loads(written) == value
        assert not set("<>&\u2028\u2029") & set(written)


# -- how they are served -----------------------------------------------------------------------------------


def test_a_report_is_served_into_a_sandbox_that_lets_it_lead_nowhere(drift: str) -> None:
    own = "document.title = 'ours'"
    earlier = f"{OPENING}{meta(script_policy([own]))}<script>{own}</script></head></html>"  # as a release before drew them
    for page, allowed in ((earlier, "sandbox allow-scripts;"), (drift, "sandbox;"), (verdict(), "sandbox;")):
        policy = headers_of(page.encode())["Content-Security-Policy"]
        assert policy.startswith(allowed)
        for word in ("allow-same-origin", "allow-top-navigation", "allow-popups", "allow-forms", "'unsafe-eval'", "http:", "*"):
            assert word not in policy
        for word in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'"):
            assert word in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2]


@pytest.mark.parametrize(
    "page",
    [
        f"<!DOCTYPE html><html><head></head><body><script>{PWNED}</script></body></html>",  # of an earlier version
        f'<meta http-equiv="Content-Security-Policy" content="script-src \'unsafe-inline\'"><script>{PWNED}</script>',
        "",
    ],
)
def test_a_page_that_names_no_script_right_after_our_opening_runs_none(page: str) -> None:
    policy = headers_of(page.encode())["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy


OURS = sorted(path for path in Path("plugins/console").rglob("*.js") if "vendor" not in path.parts)
SINKS = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "unsafeHTML", "unsafeSVG",
    "srcdoc",
)  # fmt: skip


@pytest.mark.parametrize("path", OURS, ids=str)
def test_no_module_of_the_console_makes_html_or_code_of_text(path: Path) -> None:
    text = path.read_text()
    assert [sink for sink in SINKS if sink in text] == []
    assert not re.search(r"https?://", text)  # and nothing comes from elsewhere
    # An address that came from data passes `leads` first: every other link is one that the console's code wrote.
    assert "href=${href}" not in text or path.name == "parts.js"


def test_the_console_runs_its_own_files_only() -> None:
    document_of_all = Path("plugins/console/index.html").read_text()
    assert scripts(document_of_all) == ["", ""]  # from files; none is inline
    assert "style=" not in document_of_all
    for word in ("script-src 'self';", "style-src 'self';", "require-trusted-types-for 'script'", "trusted-types lit-html"):
        assert word in POLICY
    assert "unsafe" not in POLICY


# -- Markdown, messages, terminals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [*HOSTILE, "[x](javascript:alert(1))", "![x](http://evil/t.png)", "a|b", "`x`", "a\n# b", "\\[x](y)"]
)
def test_a_value_in_markdown_is_text(value: str) -> None:
    written = plain(value)
    assert "<" not in written
    assert "\n" not in written
    for special in "[]|`":
        assert all(written[at - 1] == "\\" for at, letter in enumerate(written) if letter == special)
    assert code(value).count("`") == 2
    assert "\n" not in code(value)


def test_a_models_card_holds_no_html_and_no_link(tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    spec = SPEC.model_copy(update={"description": f"{ALL} [x](javascript:alert(1))", "owner": ALL, "label": ALL})
    object.__setattr__(package.facts, "spec", spec)
    package.facts.evaluation.value["slices"] = [{"slice": ALL, "value": f"{ALL}|\n# more", "rows": 1}]
    text = card(package)
    outside = "".join(text.split("`")[::2])
    assert "<" not in outside
    assert re.search(r"(?<!\\)\]\(", outside) is None
    assert not [line for line in text.splitlines() if line.startswith("# ") and "more" in line]


def test_an_alert_mentions_nobody_and_links_nowhere() -> None:
    from operators.alert import harmless

    sent = harmless({"text": "<!channel> <https://evil|report> 0.7 < 0.8 \x1b[31m\u202e", "detail": {"<@U1>": [ENDS, 1, None]}})
    assert sent["text"] == "‹!channel> ‹https://evil|report> 0.7 < 0.8  [31m "
    assert sent["detail"] == {"‹@U1>": [ENDS.replace("<s", "‹s").replace("</", "‹/"), 1, None]}
    assert len(harmless("x" * 100_000)) == 4000


def test_a_terminal_gets_no_command_from_a_value() -> None:
    shown = table(["a"], [["\x1b]0;owned\x07"], ["b\rc\nd"]])
    assert not [letter for letter in shown.replace("\n", "") if ord(letter) < 32]
    assert len(shown.splitlines()) == 3


# -- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if missing():
        pytest.skip(missing())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Browser(port, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("name", ["drift", *sorted(PAGES)])
def test_nothing_runs_in_a_real_browser(name: str, browser: Browser, drift: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(drift if name == "drift" else PAGES[name]())
    browser.open(path.as_uri())
    assert browser.run("return document.title") != "pwned"
    if name == "drift":
        assert browser.run("return document.querySelectorAll('svg').length") == 2
        assert browser.errors() == []
