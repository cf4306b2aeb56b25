"""A window's performance once enough of its labels have landed: now, or with a later window's check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from include.core.request import Json
from include.data.window import Window, moment
from include.monitoring.performance.comparison import Performance, judged, landed, of_window
from include.monitoring.performance.label_delay import Delays, LabelDelay, landing
from include.monitoring.performance.terms import Terms
from include.step_values.monitoring import EarlierWindow, MonitorValue

Measure = Callable[[pa.Table], Performance]


@dataclass(frozen=True)
class RealisedPerformance:
    """`performance`: the window's; or that of the newest earlier one whose labels have become enough since the last check.

    `earlier`: each of the windows before, newest first, as its labels stand now.
    """

    performance: Performance
    landing: LabelDelay
    earlier: tuple[tuple[str, LabelDelay, Performance], ...] = ()

    @property
    def by_window(self) -> dict[str, Performance]:
        """What has come true in the windows before, where they can be judged."""
        return {name: performance for name, _, performance in self.earlier if performance.verdict == "measured"}

    def earlier_json(self) -> list[EarlierWindow]:
        return [
            {"window": name, "landing": landing.to_json(), "performance": {**performance.to_json(), "slices": []}}
            for name, landing, performance in self.earlier
        ]


def assess(
    window: Window, predictions: pa.Table, earlier: pa.Table, champion: int | None, measure: Measure, needed: float
) -> RealisedPerformance:
    """Of all answers' labels the share that has landed; of the champion's own answers the performance."""
    length = window.end - window.start
    delays = Delays.of([predictions, earlier], window.end)
    at = landing(predictions, delays, window.end, needed)
    here = judged(measure(landed(predictions, champion)), at)
    before = Delays.of([earlier], window.start)
    found, became = [], []
    for stretch, rows in _stretches(window, earlier, length):
        then, now = (landing(rows, law, when, needed) for law, when in ((before, window.start), (delays, window.end)))
        performance = judged(measure(landed(rows, champion)), now)
        found.append((stretch, now, performance))
        if performance.verdict == "measured" and now.enough and not then.enough:
            became.append(of_window(performance, stretch))
    performance_now = became[0] if became and not at.enough else here
    return RealisedPerformance(performance_now, at, tuple(found))


def history(values: Mapping[str, MonitorValue], champion: int | None, before: str, terms: Terms) -> list[dict[str, Json]]:
    """What was estimated in each window that ends by `before` (ISO), oldest first, and what came true as far as it was known.

    `values`: window name to `monitor` value. Only windows of the same champion, the same metric and, where it matters, the
    same threshold: another's record says nothing of this one.
    """
    until = moment(before)
    alike = {n: v for n, v in values.items() if _champion(v) == champion and _on_terms(v, terms)}
    own = {n: v for n, v in alike.items() if moment(v["as_of"]) <= until}
    found: dict[str, dict[str, Json]] = {}
    for name, value in sorted(own.items(), key=lambda pair: str(pair[1]["as_of"])):
        raw = value["estimate"]["raw"]
        if not raw["why"]:
            found[name] = {"window": name, "estimate": raw["value"], "base": raw["base"], "realised": None, "noise": None}
        performance_now = [] if value["performance"]["window"] else [(name, value["performance"])]
        for window, performance in (*performance_now, *((each["window"], each["performance"]) for each in value["earlier"])):
            if window in found and performance["verdict"] == "measured":
                metric = performance["metric"]
                found[window] |= {"realised": performance["metrics"][metric], "noise": performance["errors"][metric]}
    return list(found.values())


def _on_terms(value: MonitorValue, terms: Terms) -> bool:
    """Whether a window's estimate is of this metric, decided at this threshold."""
    if "estimate" not in value or value["estimate"]["metric"] != terms.metric:
        return False
    return not terms.definition.decided or value.get("threshold") == terms.threshold


def _champion(value: MonitorValue) -> int | None:
    return value["champion"]["version"] if value["champion"] else None


def _stretches(window: Window, earlier: pa.Table, length: timedelta) -> Iterator[tuple[str, pa.Table]]:
    """The windows before that have rows, newest first."""
    times = earlier["event_time"].cast(pa.timestamp("us"))
    end = window.start
    while earlier.num_rows and end > pc.min(times).as_py():
        inside = pc.and_(pc.greater_equal(times, pa.scalar(end - length)), pc.less(times, pa.scalar(end)))
        rows = earlier.filter(inside)
        if rows.num_rows:
            yield Window(end - length, end).name, rows
        end -= length
