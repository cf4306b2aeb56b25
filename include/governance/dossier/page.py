"""A dossier as a page for an auditor: printable, light and dark, without a script. It shows every value that the JSON has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from include.core.html import document, tag, tiles

START, END = '<pre id="dossier">', "</pre><!-- the end of the dossier -->"
HEAD = (
    "<style>@media print { :root { --paper: #fff; --soft: #fff; --ink: #000; --dim: #333; --line: #999 } body { max-width: none; "
    "font-size: 10pt } h2 { break-after: avoid } tr { break-inside: avoid } details.json { display: none } } "
    "td code { overflow-wrap: anywhere } td table { margin: 0 } td.k { color: var(--dim); width: 12rem } "
    ".tile b { font-size: 1.1rem }</style>"
)
FIRST = (
    "seq", "at", "window", "partition", "step", "view", "slice", "value", "name", "actor", "action", "event", "stage", "path",
    "rows", "passed", "words",
)  # fmt: skip
DEEPEST = 3  # tables within tables; what lies deeper stands in a line
LONG = 4000  # characters of a cell that are shown at once
SECTIONS: Mapping[str, tuple[str, str]] = {  # of the body, in the order of the page
    "purpose": ("What it is for", "What the model predicts, of what, and who answers for it: from its spec."),
    "record": ("The version", "Its number, what it was made of, and where it stands. Digests are SHA-256."),
    "data": ("Data", "What it was trained and evaluated on: partitions, rows, and what validation found in them."),
    "features": ("Features", "Its inputs, and who owns each of them."),
    "code": ("Code", "The commits, and the digest of the code of every step, without comments and documentation."),
    "environment": ("Environment", "The packages that the lock names, as they were where this dossier was made."),
    "training": ("Training", "Parameters, seed, machines and attempts, and who started it."),
    "evaluation": ("Evaluation", "Its metrics on rows that were held out, by slice, beside the champion and the baselines."),
    "gate": ("Gate", "Whether the evaluation let it go on, and who decided otherwise."),
    "approvals": ("Approvals", "Who was asked, who answered, and what they had seen."),
    "rollout": ("Rollout", "Each stage under live traffic, what was decided and the evidence."),
    "monitoring": ("Monitoring", "The windows of its predictions since, and what the policy decided."),
    "cost": ("Cost", "What it took to make it, as measured; what was not measured is unknown."),
    "lineage": ("Lineage", "Whether everything it was made of is still there as it was, when this dossier was made."),
    "files": ("Files", "Every file of its lineage below the storage root, with its SHA-256: `verify --files` checks copies."),
    "audit": ("Audit", "The rows of the audit chain that are about it, as they were written."),
    "missing": ("Not known", "What could not be said, and why."),
}


def page_around(body: Mapping[str, Any]) -> tuple[str, str]:
    """The page up to the JSON within it, and what follows. It depends on the body alone."""
    title = f"Dossier of {body.get('model')} version {body.get('version')}"
    parts = [f"<h1>{escape(title)}</h1>", _signed(body), _tiles(body)]
    parts += [_section(name, body[name]) for name in SECTIONS if name in body]
    parts += [_section(name, value) for name, value in body.items() if name not in SECTIONS and isinstance(value, dict | list)]
    raw = f'<details class="json"><summary>The dossier as JSON</summary>{START}{END}</details>'
    parts += [_verify(), raw]
    before, _, after = document(title, "".join(parts), HEAD).partition(f"{START}{END}")
    return before + START, END + after


def _signed(body: Mapping[str, Any]) -> str:
    made = f"Made at {escape(str(body.get('made_at', '')))} by {escape(str(body.get('made_by', '')))}."
    if by := body.get("signed_by"):
        key = f"<code>{escape(str(by))}</code>"
        return f"<p>{made} {tag('signed', 'good')} by the key {key}: how that is checked stands at the end.</p>"
    words = "Nobody vouches for this dossier: anybody can have made it."
    return f'<p>{made}</p><p class="banner bad"><strong>Unsigned.</strong> <span>{words}</span></p>'


def _tiles(body: Mapping[str, Any]) -> str:
    record = body.get("record") or {}
    named = {"version": body.get("version"), "semantic version": record.get("semver"), "stage": record.get("stage")}
    shown = {**named, "profile": body.get("profile"), "as of": str(record.get("as_of", ""))[:10]}
    return tiles({name: str(value) for name, value in shown.items() if value})


def _verify() -> str:
    return (
        "<h2>Checking it</h2><p>On any machine, without a platform: <code>slipstream dossier verify FILE --key PUBLIC</code>, "
        "where PUBLIC is the key as its owner published it. With <code>--files FOLDER</code> the files are checked as well, with "
        "<code>--audit EXPORT</code> that the rows above stand in the audit chain.</p>"
    )


def _section(name: str, value: Any) -> str:
    heading, words = SECTIONS.get(name, (name.replace("_", " ").capitalize(), ""))
    note = f'<p class="note">{escape(words)}</p>' if words else ""
    return f"<h2>{escape(heading)}</h2>{note}{_shown(value)}"


def _shown(value: Any, depth: int = 0) -> str:
    if isinstance(value, Mapping) and value and depth < DEEPEST:
        return _fields(value, depth)
    if isinstance(value, list) and value and depth < DEEPEST:
        return _rows(value)
    return _inline(value)


def _fields(value: Mapping[str, Any], depth: int) -> str:
    rows = "".join(
        f'<tr><td class="k">{_name(name)}</td><td>{_shown(value[name], depth + 1)}</td></tr>' for name in _ordered(value)
    )
    return f'<div class="scroll"><table>{rows}</table></div>'


def _rows(values: Sequence[Any]) -> str:
    if not all(isinstance(each, Mapping) for each in values):
        if not any(isinstance(each, Mapping | list) for each in values):
            return ", ".join(_text(each) for each in values)
        return "".join(f"<div>{_inline(each)}</div>" for each in values)
    names = _ordered({name for each in values for name in each})
    head = "".join(f"<th>{_name(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(_cells(each, names))}</tr>" for each in values)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cells(row: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = row.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        yield f"<td{' class=n' if number else ''}>{_folded(value) if name in row else ''}</td>"


def _folded(value: Any) -> str:
    """In a cell: on a line; what is long is opened by the reader."""
    shown = _inline(value)
    if not isinstance(value, Mapping | list) or len(shown) < LONG:
        return shown
    return f"<details><summary>{len(value)} parts</summary>{shown}</details>"


def _inline(value: Any) -> str:
    """Without a table: a table in a cell of a table has columns of one letter."""
    if isinstance(value, Mapping) and value:
        return "; ".join(f'<span class="dim">{_name(name)}</span> {_nested(value[name])}' for name in _ordered(value))
    if isinstance(value, list) and value:
        return ", ".join(_nested(each) for each in value)
    return _text(value)


def _nested(value: Any) -> str:
    return f"({_inline(value)})" if isinstance(value, Mapping) and len(value) > 1 else _inline(value)


def _ordered(names: Iterable[str]) -> list[str]:
    """What tells one row from another first, the rest by name."""
    return sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))


def _text(value: Any) -> str:
    if value is None:
        return '<span class="dim">unknown</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list):
        return '<span class="dim">none</span>'
    text = str(value)
    if len(text) == 64 and not text.strip("0123456789abcdef"):
        return f"<code>{text}</code>"
    return escape(text) if text else '<span class="dim">none</span>'


def _name(name: object) -> str:
    return escape(str(name).replace("_", " "))
