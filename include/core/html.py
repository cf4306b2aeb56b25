"""One look for every page that people read: reports, data docs, the account, the gateway, the Models page.

Self-contained: no outside file, light and dark.
"""

from __future__ import annotations

from html import escape

from include.core.html_policy import STATIC, meta

LIGHT = """--paper: #fff; --card: #fff; --soft: #f4f6f9; --ink: #1a2332; --dim: #5b6979; --line: #e1e6ed;
  --accent: #2866d4; --good: #14773a; --warn: #a45309; --bad: #bf2a1d"""
DARK = """--paper: #0f141b; --card: #161d27; --soft: #1e2733; --ink: #e5eaf1; --dim: #97a5b8;
  --line: #2b3543; --accent: #74a3ff; --good: #4cc97c; --warn: #f0b145; --bad: #ff7f72"""
_BY_READER = f"""
:root {{ color-scheme: light dark; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}"""
_BY_PAGE = f"""
:root {{ color-scheme: light; {LIGHT} }}
:root[data-theme=dark] {{ color-scheme: dark; {DARK} }}"""
_REST = """
* { box-sizing: border-box }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 68rem;
  padding: 2rem 1.25rem 4rem }
h1 { font-size: 1.55rem; line-height: 1.25; margin: 0 0 .3rem; letter-spacing: -.01em }
h2 { font-size: 1.12rem; margin: 2.2rem 0 .5rem } h3 { font-size: .95rem; margin: 1.4rem 0 .3rem } p { margin: .3rem 0 }
a { color: var(--accent) } code, pre { font: .86em/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: var(--soft); border-radius: 8px; padding: .8rem 1rem; overflow: auto }
table { border-collapse: collapse; width: 100%; font-size: .93rem }
th, td { text-align: left; vertical-align: top; padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--line) }
th { color: var(--dim); font-weight: 600; font-size: .84rem } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td.d { white-space: nowrap; font-variant-numeric: tabular-nums } tr.ours td { font-weight: 650 }
.scroll { overflow-x: auto } .dim, .note { color: var(--dim) } .note { font-size: .9rem }
.good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) } .accent { color: var(--accent) }
.tag { display: inline-block; border: 1px solid currentColor; border-radius: 99px; padding: 0 .6rem; font-size: .8rem;
  font-weight: 600; white-space: nowrap; vertical-align: middle }
.banner { border-left: 4px solid currentColor; background: var(--soft); border-radius: 4px 8px 8px 4px; padding: .7rem 1rem;
  margin: 1rem 0 } .banner > * { color: var(--ink) } .banner strong { color: inherit }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.1rem 0 }
.tile { background: var(--soft); border-radius: 10px; padding: .7rem 1rem } .tile b { display: block; font-size: 1.35rem;
  line-height: 1.35; font-variant-numeric: tabular-nums } .tile span { color: var(--dim); font-size: .84rem }
svg { display: block; max-width: 100%; height: auto } svg text { fill: var(--dim); font: 11px system-ui, sans-serif }
"""
STYLE = _BY_READER + _REST  # light or dark by the reader's own setting
THEMED = _BY_PAGE + _REST  # as the page says, in `data-theme` of its root: the console follows Airflow's switch


def document(title: str, body: str, head: str = "") -> str:
    """A whole page around HTML that the caller has escaped. `title` is text; `head` is HTML too. No script runs in it."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{meta(STATIC)}'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{head}</head><body>{body}</body></html>\n"
    )


def tag(text: str, kind: str = "dim") -> str:
    """A small label: good, warn, bad, accent or dim."""
    return f'<span class="tag {kind}">{escape(text)}</span>'


def tiles(values: dict[str, str]) -> str:
    """The few numbers that matter most, large: {what it is: value}."""
    each = "".join(f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in values.items())
    return f'<div class="tiles">{each}</div>'
