"""The page of a search: parallel coordinates, what mattered, the best so far by cost, and every trial. One file, no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from include.core.html import document, tiles
from include.problems.metric import Metric
from include.step_values.training import TuneValue
from include.training.search.axes import LEFT, RIGHT, Axis, axis_of
from include.training.search.importance import importance

WIDTH, TOP, BOTTOM = 860, 34, 250
SHOWN = 200  # trials that are drawn and listed, the best of them


def render(model: str, value: TuneValue, metric: Metric) -> str:
    """The page of a search's value (see `include.training.search.value`)."""
    ranked = _ranked(value, metric)
    sections = (
        f"<h1>{escape(model)}: search</h1>",
        tiles(_figures(value, metric)),
        _section("What was chosen", _chosen(value)),
        _section("Trials", _coordinates(ranked, value, metric)),
        _section("What mattered", _mattered(value)),
        _section(f"Best {metric.title} so far", _curve(value, metric)),
        _section("Every trial" if len(ranked) <= SHOWN else f"The best {SHOWN} of {len(ranked)} trials", _table(ranked, value)),
    )
    return document(f"{model}: search", "".join(sections))


def _ranked(value: TuneValue, metric: Metric) -> list[dict[str, Any]]:
    """Trials, the best first: those that went further come before others, those that failed last."""
    name, sign = value["metric"], -1 if metric.higher_is_better else 1

    def place(trial: dict[str, Any]) -> tuple[bool, int, float, int]:
        found = trial[name]
        return found is None or "error" in trial, -trial["epochs"], 0.0 if found is None else sign * found, trial["trial"]

    return sorted(value["trials"], key=place)


def _figures(value: TuneValue, metric: Metric) -> dict[str, str]:
    failed = sum("error" in trial for trial in value["trials"])
    best = value["trials"][value["best"]][value["metric"]]
    title = metric.title[:1].upper() + metric.title[1:]
    shown = {
        f"{title} of the best": f"{best:.5g}",
        "trials": f"{len(value['trials']):,}",
        "epochs of all": f"{value['epochs']:,}",
    }
    return {**shown, "failed": f"{failed}"} if failed else shown


def _chosen(value: TuneValue) -> str:
    rows = "".join(f"<tr><td>{escape(name)}<td class=n>{escape(_said(each))}" for name, each in sorted(value["params"].items()))
    note = f"The parameters of trial {value['best']}, the best of those that were trained the longest."
    return f"<p class=note>{note}</p><div class=scroll><table><tr><th>parameter<th class=n>value{rows}</table></div>"


def _coordinates(ranked: Sequence[dict[str, Any]], value: TuneValue, metric: Metric) -> str:
    """A line a trial, an axis a parameter, the metric last."""
    measured = [trial for trial in ranked if trial[value["metric"]] is not None][:SHOWN]
    names = searched(value)
    if not names or not measured:
        return "<p class=note>none</p>"
    columns = {name: [trial["params"].get(name) for trial in measured] for name in names}
    columns[metric.title] = [trial[value["metric"]] for trial in measured]
    gap = (WIDTH - LEFT - RIGHT) / max(len(columns) - 1, 1)
    axes = [axis_of(name, found, LEFT + gap * place, TOP, BOTTOM) for place, (name, found) in enumerate(columns.items())]
    lines = [_line(axes, [each[row] for each in columns.values()], measured[row], row) for row in range(len(measured))]
    drawn = "".join(axis.drawn() for axis in axes)
    svg = f"<svg viewBox='0 0 {WIDTH} {BOTTOM + 26}' width={WIDTH} role=img aria-label='parallel coordinates'>"
    note = "A line is a trial; the best is drawn thick, and the paler a line, the worse its trial."
    return f"<div class=scroll>{svg}{''.join(reversed(lines))}{drawn}</svg></div><p class=note>{note}</p>"


def _line(axes: Sequence[Axis], values: Sequence[Any], trial: dict[str, Any], rank: int) -> str:
    points = " ".join(f"{axis.x:.1f},{axis.y(each):.1f}" for axis, each in zip(axes, values, strict=True))
    look = "stroke-width=3" if not rank else f"stroke-width=1.2 stroke-opacity={max(0.12, 0.75 - 0.03 * rank):.2f}"
    told = f"trial {trial['trial']}, {trial['epochs']} epochs: " + ", ".join(_said(each) for each in values)
    return f"<polyline points='{points}' fill=none stroke=var(--accent) {look}><title>{escape(told)}</title></polyline>"


def _mattered(value: TuneValue) -> str:
    found = importance(value, searched(value))
    if not found:
        return "<p class=note>There are too few trials to say.</p>"
    bars = "".join(
        f"<text x=170 y={18 + 24 * n} text-anchor=end>{escape(name)}</text>"
        f"<rect x=180 y={6 + 24 * n} width={max(1.0, 400 * share):.1f} height=16 fill=var(--accent) fill-opacity=.65></rect>"
        f"<text x={188 + 400 * share:.1f} y={18 + 24 * n}>{share:.0%}</text>"
        for n, (name, share) in enumerate(found.items())
    )
    note = (
        "The share of the differences between trials, at the rung that all have reached, that goes with this parameter alone. "
        "Parameters that act together are not told apart, and a few trials tell little."
    )
    svg = f"<svg viewBox='0 0 640 {24 * len(found) + 12}' width=640 role=img aria-label='importance'>{bars}</svg>"
    return f"{svg}<p class=note>{note}</p>"


def _curve(value: TuneValue, metric: Metric) -> str:
    points = [(float(epochs), found) for epochs, found in value["curve"]]
    if not points:
        return "<p class=note>none</p>"
    points.append((float(value["epochs"]), points[-1][1]))
    across = axis_of("", [0.0, points[-1][0]], 0, WIDTH - RIGHT, LEFT, log=False)  # its "height" is the page's width
    up = axis_of("", [found for _, found in points], LEFT, TOP, BOTTOM, log=False)
    path = f"M{across.y(points[0][0]):.1f} {up.y(points[0][1]):.1f}"
    for epochs, found in points[1:]:
        path += f"H{across.y(epochs):.1f}V{up.y(found):.1f}"
    ends = (
        f"<text x={LEFT} y={BOTTOM + 18}>0</text>"
        f"<text x={WIDTH - RIGHT} y={BOTTOM + 18} text-anchor=end>{value['epochs']:,} epochs of all trials together</text>"
    )
    svg = f"<svg viewBox='0 0 {WIDTH} {BOTTOM + 26}' width={WIDTH} role=img aria-label='best so far'>"
    return f"{svg}{up.drawn()}<path d='{path}' stroke=var(--accent) fill=none stroke-width=1.5 />{ends}</svg>"


def _table(ranked: Sequence[dict[str, Any]], value: TuneValue) -> str:
    names, name = searched(value), value["metric"]
    head = "".join(f"<th class=n>{escape(each)}" for each in ("trial", *names, "epochs", name))
    rows = "".join(_row(trial, names, name, value["best"]) for trial in ranked[:SHOWN])
    return f"<div class=scroll><table><tr>{head}<th>what happened{rows}</table></div>"


def _row(trial: dict[str, Any], names: Sequence[str], name: str, best: int) -> str:
    values = (trial["trial"], *(trial["params"].get(each) for each in names), trial["epochs"], trial[name])
    cells = "".join(f"<td class=n>{escape(_said(each))}" for each in values)
    copied = [f"at epoch {before['until']} it went on with the weights of trial {leg['donor']}" for before, leg in
              zip(trial["legs"], trial["legs"][1:], strict=False) if "donor" in leg]  # fmt: skip
    told = escape(trial.get("error", "")[:300] or "; ".join(copied))
    return f"<tr{' class=ours' if trial['trial'] == best else ''}>{cells}<td>{told}"


def searched(value: TuneValue) -> list[str]:
    """The parameters that differ between trials."""
    names = sorted({name for trial in value["trials"] for name in trial["params"]})
    return [name for name in names if len({repr(trial["params"].get(name)) for trial in value["trials"]}) > 1]


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}"


def _said(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
