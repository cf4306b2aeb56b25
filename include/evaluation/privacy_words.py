"""What the attacks on a model's training rows found, in words: for the result, the report, and the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from include.step_values.privacy import AttackValue, PrivacyValue

HEAD = ("advantage", "of the control", "beyond it", "AUC", "found at 1 % false alarms")


def words(attacks: Sequence[AttackValue]) -> str:
    """One sentence: whether the worst of the attacks finds members, and how the control did."""
    worst = attacks[0]
    span = f"{worst['excess']:.3f} ({worst['excess_low']:.3f} to {worst['excess_high']:.3f})"
    if worst["control"] is None:
        also = "without a reference model, which would tell time from membership"
    elif worst["control"] > 0:
        also = f"beyond the {worst['control']:.3f} that time alone gives away"
    else:
        also = "and time alone gives nothing away"
    if worst["excess_low"] > 0:
        return f"It gives away rows that it was trained on: the {worst['attack']} attack has an advantage of {span} {also}."
    return f"No attack finds the rows that it was trained on: the {worst['attack']} attack's advantage is {span} {also}."


def closing(value: Mapping[str, Any], limit: float) -> str:
    """Why the gate is closed; empty where it is not."""
    if not value.get("attacks"):
        return f"{value.get('words', 'privacy was not measured')} (evaluation.privacy.limit)"
    worst = max(value["attacks"], key=lambda each: float(each["excess_high"]))
    if worst["excess_high"] <= limit:
        return ""
    known = f"is above {limit:.4f}" if worst["excess_low"] > limit else f"is not shown to be below {limit:.4f}"
    span = f"{worst['excess']:.4f} (up to {worst['excess_high']:.4f})"
    return f"the advantage of the {worst['attack']} attack on its training rows, {span}, {known} (evaluation.privacy.limit)"


def section(value: PrivacyValue) -> str:
    """The report's HTML."""
    said = f"<p>{escape(value['words'])}</p>"
    if not value["attacks"]:
        return said
    head = "".join(f"<th class=n>{name}</th>" for name in HEAD)
    rows = "".join(
        f"<tr><td>{escape(each['attack'])}</td><td class=n>{_span(each, '', 'advantage')}</td>"
        f"<td class=n>{'–' if each['control'] is None else format(each['control'], '.3f')}</td>"
        f"<td class=n>{_span(each, 'excess_', 'excess')}</td><td class=n>{_span(each, 'auc_', 'auc')}</td>"
        f"<td class=n>{_span(each, 'found_', 'found')}</td></tr>"
        for each in value["attacks"]
    )
    note = (
        f"The last {value['members']:,} rows that the fit saw against the first {value['others']:,} that it did not. An "
        "advantage is the share of true alarms less that of false ones: 0 of a coin. The control saw neither side: what it gives "
        "away is time."
    )
    return f"{said}<div class=scroll><table><tr><th>attack</th>{head}</tr>{rows}</table></div><p class=note>{note}</p>"


def _span(each: Mapping[str, Any], prefix: str, name: str) -> str:
    return f"{each[name]:.3f} ({each[f'{prefix}low']:.3f} to {each[f'{prefix}high']:.3f})"
