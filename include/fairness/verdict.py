"""What follows from a gap for a limit, and the words for it: for gates, reports, cards and alerts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from include.core.spec.fairness import FLOOR, is_ratio
from include.fairness.gap import Gap
from include.step_values.fairness import AttributeValue, FairnessValue, LimitValue, MeasureValue

Verdict = Literal["holds", "missed", "unshown", "unjudged"]
REFUSED: tuple[Verdict, ...] = ("missed", "unshown")


def of(found: Gap | None, limit: float, *, ratio: bool, refuse: str) -> Verdict:
    """By what the rows show: see `Fairness.refuse`. With nothing to compare nothing can be shown."""
    if found is None:
        return "unjudged" if refuse == "shown" else "unshown"
    if refuse == "unless_shown":
        holds = found.low >= limit if ratio else found.high <= limit
        return "holds" if holds else "unshown"
    missed = found.high < limit if ratio else found.low > limit
    return "missed" if missed else "holds"


def words(value: LimitValue, why: str = "") -> str:
    """A sentence on one limit. `why`: why nothing could be compared, if so."""
    measure = value["measure"].replace("_", " ")
    ratio, found = is_ratio(value["measure"]), value["found"]
    asked = f"{'at least' if ratio else 'at most'} {_figure(value['limit'])}"
    if value["against"] == "champion":
        asked = f"at most {_figure(value['limit'])} more than the champion's"
    if found is None:
        none = why or f"{value['attribute']}: too few rows of two groups to compare {measure}"
        return f"{none}. The limit of {measure} ({asked}) is not judged: nothing is known either way"
    seen = f"{measure} of {value['attribute']} is {_figure(found['value'])}{_between(found)}"
    if value["against"] == "champion":
        seen = f"{measure} of {value['attribute']} has grown by {_figure(found['value'])}{_between(found)}"
    believable = f"{_figure(found['low'])} to {'any' if found['high'] is None else _figure(found['high'])} is believable"
    tail = {
        "holds": f"{asked} is asked, and the rows do not show that it is missed",
        "missed": f"{asked} is asked: the rows show that it is missed",
        "unshown": f"{asked} is asked, which the rows do not show",
        "unjudged": "",
    }[value["verdict"]]
    if value["verdict"] == "holds" and _shown(value, found):
        tail = f"{asked} is asked: the rows show that it holds"
    return f"{seen} ({believable}); {tail}"


def overall(limits: Sequence[LimitValue], attributes: Sequence[AttributeValue]) -> str:
    """The verdict on all of them, as a sentence or two."""
    refused = [each for each in limits if each["verdict"] in REFUSED]
    if refused:
        rest = f" {len(refused)} of {len(limits)} limits are not kept." if len(refused) > 1 else ""
        return f"{_sentence(refused[0]['words'])}{rest}"
    unjudged = [each for each in limits if each["verdict"] == "unjudged"]
    if unjudged:
        return f"{len(limits) - len(unjudged)} of {len(limits)} limits hold. {_sentence(unjudged[0]['words'])}"
    few = [each["too_few"] for each in attributes if each["too_few"]]
    if few:
        return f"Not everything can be compared. {_sentence(few[0])}"
    if limits:
        every = "The limit is" if len(limits) == 1 else f"All {len(limits)} limits are"
        return f"{every} kept: {_named(attributes)}."
    return f"Reported, without limits: {_named(attributes)}."


def reasons(value: Mapping[str, Any]) -> list[str]:
    """Why a fairness value closes the gate; empty where it does not."""
    return [f"{each['words']} (fairness.limits)" for each in value.get("limits", ()) if each["verdict"] in REFUSED]


def missed(value: FairnessValue) -> bool:
    """Whether a limit is shown to be missed."""
    return any(each["verdict"] == "missed" for each in value["limits"])


def people(number: int | None) -> str:
    """How many people a small group has, in words that tell no more than may be known."""
    return f"fewer than {FLOOR} people, or so few that their number would tell" if number is None else f"{number} people"


def _named(attributes: Sequence[AttributeValue]) -> str:
    return ", ".join(f"{each['attribute']} ({sum(g['compared'] for g in each['groups'])} groups)" for each in attributes)


def _shown(value: LimitValue, found: MeasureValue) -> bool:
    """Whether a limit that holds is shown to hold."""
    if is_ratio(value["measure"]):
        return found["low"] >= value["limit"]
    return found["high"] is not None and found["high"] <= value["limit"]


def _between(found: MeasureValue) -> str:
    names = [repr(name) for name in found["between"]]
    return f" between {names[0]} and {names[1]}" if len(names) == 2 else f" in {names[0]}"


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
