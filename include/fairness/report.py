"""How groups are treated, for people: tables and a small chart an attribute, within the page of a stage. HTML without a file
from outside; whatever comes from data is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from include.fairness.rates import TITLES
from include.fairness.verdict import people
from include.step_values.fairness import AttributeValue, FairnessValue, GroupValue, LimitValue

TAGS = {
    "holds": ("good", "kept"),
    "missed": ("bad", "missed"),
    "unshown": ("bad", "not shown"),
    "unjudged": ("dim", "not judged"),
}
DRAWN = 3  # figures side by side in a chart
GROUPS = 12  # rows of a chart
NAME, PANEL, ROW, HEAD = 118, 164, 22, 20  # of a chart, in pixels


def sections(value: FairnessValue) -> str:
    """All of it, below a heading of the caller's."""
    note = (
        f"{value['selected']} An interval holds the truth {1 - value['alpha']:.0%} of the time; rows of one day or one person "
        "are no independent witnesses. No figure here says why groups differ, nor what would be just: docs/fairness.md."
    )
    unscored = f" {value['unscored']:,} rows without an answer are left out." if value["unscored"] else ""
    parts = [f"<p>{escape(value['words'])}</p>", _limits(value["limits"]), f"<p class='note dim'>{escape(note + unscored)}</p>"]
    return "".join([*parts, *(_attribute(each) for each in value["attributes"])])


def _limits(limits: Sequence[LimitValue]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each['attribute'])}</td><td>{escape(each['measure'].replace('_', ' '))}</td>"
        f"<td><span class='tag {TAGS[each['verdict']][0]}'>{TAGS[each['verdict']][1]}</span></td>"
        f"<td>{escape(each['words'])}.</td></tr>"
        for each in limits
    )
    head = "<tr><th>attribute</th><th>measure</th><th>limit</th><th>what the rows say</th></tr>"
    return f"<div class=scroll><table>{head}{rows}</table></div>" if rows else ""


def _attribute(value: AttributeValue) -> str:
    small = "".join(_small(value))
    if not value["groups"]:
        return f"<h3>{escape(value['attribute'])}</h3><p>{escape(value['too_few'])}.</p>{small}"
    few = f"<p>{escape(value['too_few'])}: nothing is compared.</p>" if value["too_few"] else ""
    return f"<h3>{escape(value['attribute'])}</h3>{few}{_chart(value)}{_table(value)}{_measures(value)}{small}"


def _table(value: AttributeValue) -> str:
    names = _names(value)
    head = "".join(f"<th class=n>{escape(name)}</th>" for name in ("people", "rows", *(TITLES[each] for each in names)))
    about = "about " if value["rounded"] else ""
    body = "".join(
        f"<tr><td>{escape(each['group'])}{'' if each['compared'] else ' <span class=dim>not compared</span>'}</td>"
        f"<td class=n>{about}{each['people']:,}</td><td class=n>{about}{each['rows']:,}</td>"
        f"{''.join(_cell(each, name) for name in names)}</tr>"
        for each in value["groups"]
    )
    return f"<div class=scroll><table><tr><th>group</th>{head}</tr>{body}</table></div>"


def _cell(group: GroupValue, name: str) -> str:
    rate = group["rates"].get(name)
    if rate is None:
        return "<td class=n>–</td>"
    shown = f"{rate['value']:.3f}<br><span class=dim>{rate['low']:.3f} to {rate['high']:.3f}</span>"
    return f"<td class=n>{shown}</td>"


def _measures(value: AttributeValue) -> str:
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td class=n>{each['value']:.3f}</td>"
        f"<td class=n>{each['low']:.3f} to {'any' if each['high'] is None else format(each['high'], '.3f')}</td>"
        f"<td>{escape(' and '.join(each['between']))}</td></tr>"
        for name, each in value["measures"].items()
    )
    head = "<tr><th>between groups</th><th class=n>widest</th><th class=n>believable</th><th>between</th></tr>"
    return f"<div class=scroll><table>{head}{rows}</table></div>" if rows else ""


def _small(value: AttributeValue) -> Iterator[str]:
    if value["small"]:
        named = "; ".join(f"{each['group']} ({people(each['people'])})" for each in value["small"])
        yield f"<p class='note dim'>Too small to be judged alone: {escape(named)}.</p>"
    for each in value["groups"]:
        if "of" in each:
            yield f"<p class='note dim'>{escape(each['group'])} are {escape(', '.join(each['of']))}, together.</p>"
    if value["rounded"]:
        yield (
            "<p class='note dim'>Counts are rounded to tens, and figures to three digits: exact ones would tell how many people "
            "are in a group that is withheld.</p>"
        )


def _names(value: AttributeValue) -> list[str]:
    return [name for name in TITLES if any(name in each["rates"] for each in value["groups"])]


def _chart(value: AttributeValue) -> str:
    """Each figure with its interval, a row a group."""
    names, groups = _names(value)[:DRAWN], value["groups"][:GROUPS]
    if not names:
        return ""
    width, height = NAME + PANEL * len(names), HEAD + ROW * len(groups) + 22
    labels = "".join(
        f"<text x=0 y={HEAD + ROW * place + 15}>{escape(_short(each['group']))}</text>" for place, each in enumerate(groups)
    )
    panels = "".join(_panel(name, NAME + PANEL * place, groups) for place, name in enumerate(names))
    what = escape(f"{', '.join(TITLES[name] for name in names)} by {value['attribute']}", quote=True)
    return f"<svg viewBox='0 0 {width} {height}' width={width} role=img aria-label='{what}'>{labels}{panels}</svg>"


def _panel(name: str, left: int, groups: Sequence[GroupValue]) -> str:
    rates: list[Mapping[str, Any] | None] = [each["rates"].get(name) for each in groups]
    known = [each for each in rates if each is not None]
    low, high = min([0.0, *(float(each["low"]) for each in known)]), max([0.0, *(float(each["high"]) for each in known)])
    scale = (PANEL - 24) / ((high - low) or 1.0)

    def x(at: float) -> float:
        return left + (at - low) * scale

    bottom = HEAD + ROW * len(groups)
    drawn = [f"<text x={left} y=13>{escape(TITLES[name])}</text>"]
    drawn += [
        f"<path d='M{x(at):.1f} {HEAD}V{bottom}' stroke='var(--line,#ccc)'/>"
        f"<text x={x(at):.1f} y={bottom + 15} text-anchor=middle>{at:.2g}</text>"
        for at in (low, high)
    ]
    for place, each in enumerate(rates):
        if each is not None:
            y = HEAD + ROW * place + 11
            told = escape(f"{groups[place]['group']}: {each['value']:.3f}, {each['low']:.3f} to {each['high']:.3f}")
            drawn.append(
                f"<path d='M{x(each['low']):.1f} {y}H{x(each['high']):.1f}' stroke='var(--dim,#666)' stroke-width=2 />"
                f"<circle cx={x(each['value']):.1f} cy={y} r=4 fill='var(--accent,#2866d4)'><title>{told}</title></circle>"
            )
    return "".join(drawn)


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"
