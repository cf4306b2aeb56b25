"""The model card: what a person should know before trusting a version. Markdown, made from the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from include.core.markdown import code, plain
from include.core.request import Json
from include.fairness.rates import TITLES
from include.governance.package import Package
from include.problems.of import of_spec
from include.versions.origin import IMPORTED

DISTURBED = 8  # trials of a card
MOST_FEATURES = 20  # that the card lists
MADE = {"trained": "trained", IMPORTED: "trained elsewhere"}


def render(package: Package) -> str:
    """The card of one version."""
    sections = (
        _what, _data, _metrics, _slices, _explanations, _fairness, _robustness, _budget, _privacy, _limits, _lineage, _rollback,
    )  # fmt: skip
    return "\n\n".join(text for section in sections if (text := section(package))) + "\n"


def _what(package: Package) -> str:
    spec, entry = package.facts.spec, package.entry
    made = MADE.get(entry.origin, "derived from another version, not trained")
    gate = "open" if entry.gate.passed else "closed: " + "; ".join(entry.gate.reasons)
    return (
        f"# {plain(spec.name)}\n\n{plain(spec.description)}\n\n"
        f"Owner: {plain(spec.owner)}. {of_spec(spec).predicts(code(spec.label))} "
        f"Made as of {plain(entry.as_of)}, {made}. Gate {plain(gate)}."
    )


def _data(package: Package) -> str:
    value = package.facts.training_set.value
    if package.entry.origin == IMPORTED:
        return _elsewhere(package)
    window = plain(f"{value.get('first', '?')} to {value.get('last', '?')}")
    positive = f", {_number(value.get('positives'))} positive" if "positives" in value else ""
    rows = f"{_number(value.get('rows'))} rows{positive}"
    return f"## Data\n\n{window}: {rows}; {_number(value.get('holdout_rows'))} newest rows held out for evaluation."


def _elsewhere(package: Package) -> str:
    source = package.facts.train.value["source"]
    evaluated = package.facts.evaluation.value.get("rows") or 0
    rows = f"Evaluated on {_number(evaluated)} rows that were held out here." if evaluated else "It was evaluated on no rows."
    return (
        f"## Data\n\nTrained elsewhere: what on is not known here. Registered from {code(source['uri'])} "
        f"(SHA-256 {code(source['digest'])}, {source['format']}) by {plain(source['by'])}. "
        f"Trained on rows until {plain(package.facts.params['trained_until'])}, as was said of it. {rows}"
    )


def _metrics(package: Package) -> str:
    value = package.facts.evaluation.value
    if not value.get("metrics"):
        return ""
    columns: dict[str, Mapping[str, Any]] = {"this version": value.get("metrics") or {}}
    if isinstance(value.get("champion"), Mapping):
        columns["champion"] = value["champion"].get("metrics", value["champion"])
    columns |= {f"{name} (baseline)": row for name, row in (value.get("baselines") or {}).items() if isinstance(row, Mapping)}
    names = dict.fromkeys(name for name, cell in columns["this version"].items() if isinstance(cell, int | float))
    rows = [[plain(name), *(_number(column.get(name)) for column in columns.values())] for name in names]
    return "## Metrics on the holdout\n\n" + _table(["metric", *map(plain, columns)], rows)


def _slices(package: Package) -> str:
    """Whatever shape the slices have, one row each: {slice: {value: {metric: number}}} or a list of rows."""
    slices = package.facts.evaluation.value.get("slices") or {}
    found = slices if isinstance(slices, list) else _flatten(slices)
    rows: list[Mapping[str, Any]] = [row for row in found if isinstance(row, Mapping)][:40]
    if not rows:
        return ""
    first = [name for name in ("slice", "value", "rows") if name in rows[0]]
    columns = first + [name for name in rows[0] if name not in first]
    return "## Slices\n\n" + _table(map(plain, columns), [[_number(row.get(name)) for name in columns] for row in rows])


def _flatten(slices: Mapping[str, Any]) -> list[Json]:
    rows: list[Json] = []
    for name, values in slices.items():
        if isinstance(values, list):
            rows += [{"slice": name, **row} for row in values if isinstance(row, Mapping)]
        elif isinstance(values, Mapping):
            rows += [{"slice": name, "value": key, **row} for key, row in values.items() if isinstance(row, Mapping)]
    return rows


def _fairness(package: Package) -> str:
    """How groups of people are treated on the holdout, where the spec named attributes."""
    value = package.facts.evaluation.value.get("fairness")
    if not isinstance(value, Mapping):
        return ""
    parts = [f"## Fairness\n\n{plain(value['words'])} {plain(value['selected'])}".rstrip()]
    for each in value["attributes"]:
        names = [name for name in TITLES if any(name in group["rates"] for group in each["groups"])]
        head = [plain(each["attribute"]), "people", *(plain(TITLES[name]) for name in names)]
        rows = [
            [plain(group["group"]), _number(group["people"]), *(_believable(group["rates"].get(name)) for name in names)]
            for group in each["groups"]
        ]
        small = ", ".join(plain(group["group"]) for group in each["small"])
        parts += [_table(head, rows)] if rows else []
        parts += [f"Too small to be judged alone: {small}."] if small else []
    return "\n\n".join([*parts, "What these figures can and cannot tell: docs/fairness.md."])


def _believable(rate: Mapping[str, Any] | None) -> str:
    return "–" if rate is None else f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


def _robustness(package: Package) -> str:
    """What disturbed inputs cost, where the spec asked."""
    value = package.facts.evaluation.value.get("robustness")
    if not isinstance(value, Mapping):
        return ""
    rows = [[plain(each["words"]), _number(each["metric"]), _number(each["fall"])] for each in value["trials"][:DISTURBED]]
    head = ("the worst that was tried", plain(value["metric"]), "falls by")
    return f"## Robustness\n\n{plain(value['words'])}\n\n" + _table(head, rows)


def _explanations(package: Package) -> str:
    """Which features move it, where the evaluation told."""
    told = package.facts.evaluation.value.get("explanations")
    if not isinstance(told, Mapping):
        return ""
    shares = {each["feature"]: sum(each["mean_abs"]) for each in (told.get("shap") or {}).get("features", ())}
    rows = [
        [plain(each["feature"]), _number(each["worse"]), _interval(each), _number(shares.get(each["feature"]))]
        for each in told["permutation"][:MOST_FEATURES]
    ]
    head = ["feature", f"{plain(told['metric'])} is worse without it", "95 %", "mean absolute Shapley value"]
    return f"## What moves it\n\n{plain(told['words'])}\n\n{_table(head, rows)}"


def _privacy(package: Package) -> str:
    """Whether it gives away its training rows, where the evaluation looked."""
    told = package.facts.evaluation.value.get("privacy")
    if not isinstance(told, Mapping):
        return ""
    rows = [
        [plain(each["attack"]), *(_number(each[name]) for name in ("advantage", "control", "excess", "auc", "found"))]
        for each in told["attacks"]
    ]
    head = ["attack", "advantage", "of a control", "beyond it", "AUC", "found at 1 % false alarms"]
    return "\n\n".join(["## Privacy", plain(told["words"]), *([_table(head, rows)] if rows else [])])


def _budget(package: Package) -> str:
    """What a fit by DP-SGD spent."""
    spent = package.facts.train.value.get("privacy")
    if not isinstance(spent, Mapping):
        return ""
    noise, length, steps, share = (_number(spent[name]) for name in ("noise_multiplier", "max_grad_norm", "steps", "sample_rate"))
    return (
        f"## Differential privacy\n\nTrained by DP-SGD with epsilon {_number(spent['epsilon'])} at delta {spent['delta']:.2g} "
        f"for each row that it was fitted on: noise {noise}, gradients cut to {length}, {steps} steps of a share of {share} of "
        f"the rows, by the {plain(spent['accountant'])} accountant. Not covered: the vocabularies of categories, statistics that "
        "the module is built from, and what was measured of training rows, validation rows and the holdout."
    )


def _interval(each: Mapping[str, Any]) -> str:
    return "–" if each.get("low") is None else f"{_number(each['low'])} to {_number(each['high'])}"


def _limits(package: Package) -> str:
    spec, value = package.facts.spec, package.facts.evaluation.value
    return (
        "## Limits\n\n"
        f"- It knows nothing after {package.entry.as_of}; monitoring says when that matters.\n"
        "- A category it has not seen is scored as unknown; a missing number as the feature's default.\n"
        f"- One row takes {_row_ms(value.get('latency_ms'))} ms (p99; at most {spec.evaluation.max_latency_ms} is let through); "
        f"{_held(value)}.\n"
        "- The metrics above are of one holdout; the slices with few rows are noisy."
    )


def _held(value: Mapping[str, Any]) -> str:
    """Where the model is. What nobody here holds cannot be vouched for."""
    if not value.get("remote"):
        return f"the file has {_number(value.get('bytes'))} bytes"
    return (
        f"it is served by {code(str(value['remote']))}, over the wire. Its bytes are not held here: the digest is of the "
        "record of its address, inputs and outputs, and what that server answers tomorrow is its own promise"
    )


def _row_ms(latency: Json) -> str:
    return _number(latency.get("p99") if isinstance(latency, Mapping) else latency)


def _lineage(package: Package) -> str:
    rows = [[plain(name.removeprefix("slipstream.")), code(value)] for name, value in package.tags.items()]
    return "## Lineage\n\n" + _table(["what", "digest or address"], rows) + f"\n\nWalk it: `slipstream trace {package.model}`."


def _rollback(package: Package) -> str:
    command = f'slipstream rollback {package.model} --reason "..."'
    return f"## Rolling back\n\n`{command}` returns to the champion before; Airflow may be down."


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(name)} {_number(cell)}" for name, cell in value.items())
    return "–" if value is None else plain(value)
