"""What a task did, in the few lines of figures that a person looks for in its log. It reads values, and never fails a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any

from airflow.sdk import Context

from include.step_values.features import label_words
from operators.run import event_extra

Value = Mapping[str, Any]
LINES = 12  # of one summary
WIDTH = 160  # characters of one line


def summary(step: str, value: Mapping[str, Any]) -> list[str]:
    """The lines for a step's value, also for one that an earlier version of the step wrote and that lacks figures."""
    try:
        lines = list(islice(SUMMARIES.get(step, figures)(value), LINES))
    except Exception:  # noqa: BLE001 - whatever an older value looks like, its task has done its work
        lines = list(islice(figures(value), LINES))
    flat = [" ".join(line.split()) for line in lines]
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..." for line in flat if line]


def figures(value: object, name: str = "") -> Iterator[str]:
    """Any value: its plain fields on one line, and a line for each field that holds more of them."""
    if not isinstance(value, Mapping):
        yield _plain(value)
        return
    plain = {key: each for key, each in value.items() if not isinstance(each, Mapping | list)}
    if plain:
        yield (f"{name}: " if name else "") + _line(plain)
    for key, each in value.items():
        if isinstance(each, Mapping):
            yield from figures(each, str(key))
        elif isinstance(each, list) and each and not isinstance(each[0], Mapping | list):
            yield f"{key}: {'; '.join(map(_plain, each))}"


def _line(fields: Value) -> str:
    return ", ".join(f"{name} {_plain(each)}" for name, each in fields.items())


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "none" if value is None else str(value)


def _verdict(value: Value) -> Iterator[str]:
    yield "passed" if value["passed"] else "did not pass"
    for source, seen in value["sources"].items():
        failed = [check["expectation"] for check in seen["checks"] if not check["success"]]
        not_met = f", not met: {', '.join(failed)}" if failed else ""
        yield f"{source}: {seen['rows']:,} rows, {seen['quarantined']:,} in quarantine, {len(seen['checks'])} checks{not_met}"


def _features(value: Value) -> Iterator[str]:
    yield f"rows: {_line(value['rows'])}"
    yield f"definitions: {_line(value['versions'])}" if value.get("versions") else ""


def _training_set(value: Value) -> Iterator[str]:
    yield (
        f"{value['rows']:,} rows from {value['first']} to {value['last']}, {label_words(value)}, "
        f"{value['holdout_rows']:,} of them held out"
    )
    yield from value.get("warnings", ())


def _tune(value: Value) -> Iterator[str]:
    best = value["trials"][value["best"]] if "best" in value else None
    if best is None:  # of a grid of values
        best = next(each for each in value["trials"] if each["params"] == value["params"])
    names = [value["metric"]] if "metric" in value else [name for name in best if name not in ("params", "error")]
    reached = ", ".join(f"{name.replace('_', ' ')} {best[name]:.4g}" for name in names)
    failed = sum("error" in trial for trial in value["trials"])
    yield f"{len(value['trials'])} trials, the best {reached}" + (f"; {failed} failed" if failed else "")
    yield f"chosen: {_line(value['params'])}"


def _train(value: Value) -> Iterator[str]:
    yield f"trained on {value['rows']:,} rows; parameters: {_line(value['params']) or 'none'}"
    if begun := value.get("warm_start"):
        fresh = f"; anew: {', '.join(begun['fresh'])}" if begun.get("fresh") else ""
        yield f"began from the champion's weights{fresh}" if begun["warm"] else f"began cold: {begun['why']}"
    yield f"on the validation rows: {_line(value['metrics'])}"


def _evaluate(value: Value) -> Iterator[str]:
    yield f"on {value['rows']:,} held-out rows: {_line(value['metrics'])}"
    if value.get("champion"):
        yield f"the champion on the same rows: {_line(value['champion'])}"
    if "cold" in value:
        yield f"a cold fit on the same rows: {_line(value['cold']['metrics'])}"
    for name, metrics in value["baselines"].items():
        yield f"baseline {name}: {_line(metrics)}"
    gate = value["gate"]
    yield f"gate {'open' if gate['passed'] else 'closed'}" + "".join(f"; {reason}" for reason in gate["reasons"])


def _monitor(value: Value) -> Iterator[str]:
    drift, performance = value["drift"], value["performance"]
    yield f"window {value['window']}: {value['quality']['rows']:,} predictions"
    quality = "passed" if value["quality"]["passed"] else "failed"
    yield f"quality {quality}, drift {drift['verdict']}, performance {performance['verdict']}"
    yield from value["words"]


def _skew(value: Value) -> Iterator[str]:
    yield f"{value['level']}: {' '.join(value['words'])}"


def _staleness(value: Value) -> Iterator[str]:
    yield f"{len(value['error'])} models of the past, the first of {value['first']}; the champion is number {value['champion']}"


def _reference(value: Value) -> Iterator[str]:
    yield f"{value['columns']} columns over {value['days']} days, {len(value['backtest'])} windows of the holdout estimated"


SUMMARIES: Mapping[str, Callable[[Value], Iterable[str]]] = {
    "validate": _verdict,
    "validate_training_set": _verdict,
    "features": _features,
    "training_set": _training_set,
    "tune": _tune,
    "train": _train,
    "evaluate": _evaluate,
    "monitor": _monitor,
    "skew": _skew,
    "shadows": _staleness,
    "reference": _reference,
}


def subject(context: Context, params: Value) -> str:
    """Which day or moment a task is about, and how that goes with the run's id, which carries the end of its interval."""
    if params.get("day"):
        return f"The data's day is {params['day']}{_of_run(context, date.fromisoformat(str(params['day'])[:10]))}."
    return f"As of {str(params['as_of'])[:19]} (UTC)." if params.get("as_of") else ""


def _of_run(context: Context, day: date) -> str:
    if context["params"].get("day"):
        return ", as the run's parameter `day` says"
    if event_extra(context).get("day"):
        return ", as the event that started the run says"
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if not isinstance(start, datetime) or not isinstance(end, datetime) or start.date() != day:
        return ""
    return f": the start of the run's interval; the run's id carries its end, {end.date()}"
